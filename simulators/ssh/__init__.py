"""The SSH front of a virtual CPE."""
