"""RouterOS exports, menu by menu, read and written as the neutral model."""
