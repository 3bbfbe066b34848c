"""The command line. Only ``init``, ``serve``, ``worker``, ``archive`` and ``unarchive`` work locally."""
