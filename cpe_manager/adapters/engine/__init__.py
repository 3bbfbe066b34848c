"""Engines that carry tickets: in the process (``embedded``) or over PostgreSQL (``procrastinate``)."""
