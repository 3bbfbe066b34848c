"""Devices, sites, groups: how they come in, what they are, how they are reached."""
