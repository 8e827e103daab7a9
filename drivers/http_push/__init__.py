"""Panels and cameras that push what happens as JSON over HTTP; a profile for each format."""
