"""What can go wrong with a box, as data."""
