"""UCI, the configuration language of OpenWrt and its descendants, read and written as the neutral model."""
