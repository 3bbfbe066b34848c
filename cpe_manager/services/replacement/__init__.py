"""Hardware that is swapped (§5.1.3)."""
