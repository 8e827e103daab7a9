"""Wired M-Bus: EN 13757-2 (link layer) and EN 13757-3 (application layer)."""
