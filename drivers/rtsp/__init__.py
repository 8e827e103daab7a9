"""RTSP as far as it tells whether a camera's stream is there; sans-I/O."""
