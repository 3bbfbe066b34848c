"""Lines, their losses, and the way that their traffic takes (§3.8, §7.6)."""
