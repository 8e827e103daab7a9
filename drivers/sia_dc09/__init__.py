"""ANSI/SIA DC-09: a receiver of alarm panels over TCP and UDP (SIA-DCS, ADM-CID, NULL; AES)."""
