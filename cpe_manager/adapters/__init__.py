"""One file or folder for each thing outside; each library is imported in one of them."""
