"""Reading the inventory files of other tools."""
