"""OSDP v2, the control-panel side: card readers and keypads on RS-485 (SIA OSDP 2.2, IEC 60839-11-5)."""
