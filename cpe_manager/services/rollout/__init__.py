"""One change over many devices."""
