"""Metering: what a register read at an instant (pure), and the feed of charge-ready reads made from it."""
