"""Activation of a site (§4.2, §4.3): ordered, configured, backed up, tested, reported."""
