"""Cisco IOS configurations: blocks by indentation, read and written as the neutral model."""
