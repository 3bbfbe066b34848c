"""VyOS `set` lines, read and written as the neutral model."""
