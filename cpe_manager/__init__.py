"""The daemon: from the nouns of the service (``domain``) up to its surfaces (``api``, ``cli``)."""
