"""The printer port of a fire panel: lines of text, taken apart by the rules of the panel's profile."""
