"""The vault: canonical text, sealing, keys, verifying, retention. Opens no database and no network."""
