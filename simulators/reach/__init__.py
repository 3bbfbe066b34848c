"""Whether a virtual CPE can still be reached through its own configuration."""
