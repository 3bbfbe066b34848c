"""Change requests, from their submission to their end (§5.2.2)."""
