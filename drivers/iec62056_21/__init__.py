"""IEC 62056-21 (the former IEC 1107): meters with an optical head or on RS-485, read out in modes A, B and C."""
