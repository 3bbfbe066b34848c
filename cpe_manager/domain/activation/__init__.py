"""A site is brought into service (§4.2, §4.3)."""
