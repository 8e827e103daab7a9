"""The site file: read, checked, and turned into what runs."""
