"""One file for each device family; each speaks text over a shell that it is given, and opens nothing."""
