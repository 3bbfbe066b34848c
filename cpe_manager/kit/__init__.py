"""Pure text helpers that drivers and the vault share."""
