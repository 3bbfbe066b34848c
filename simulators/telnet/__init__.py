"""Telnet (RFC 854) as an old box speaks it."""
