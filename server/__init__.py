"""Ingest, devices, alarms, meter reads, API and web pages."""
