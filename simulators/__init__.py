"""Devices and whole sites on the wire, with their own encoders and a record of the truth."""
