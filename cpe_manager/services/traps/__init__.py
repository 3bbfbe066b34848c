"""Traps and informs of the fleet's boxes."""
