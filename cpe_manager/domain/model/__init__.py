"""The neutral model: what a CPE's configuration says, in words of no vendor."""
