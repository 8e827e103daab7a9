"""CJ/T 188: water, heat and gas meters on RS-485 (CJ/T 188-2004 and CJ/T 188-2018)."""
