"""Cameras: asked by ONVIF and RTSP, heard by pull point, and looked at."""
