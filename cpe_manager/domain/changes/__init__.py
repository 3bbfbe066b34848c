"""Change requests: their nouns, how they go on, and the entries of the change catalogue (§5.2.2)."""
