"""Devices that speak unasked: sockets and ports that wait for them, and the journal's word before any answer."""
