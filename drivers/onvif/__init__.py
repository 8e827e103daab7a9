"""ONVIF cameras: their messages, events and discovery; sans-I/O."""
