"""One file per device family; a file that defines PERSONA is found by itself."""
