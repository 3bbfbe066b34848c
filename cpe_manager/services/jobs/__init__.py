"""Anything long: when it is due, who holds it, how it ends."""
