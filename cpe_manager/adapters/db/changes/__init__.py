"""Change requests (§5.2)."""
