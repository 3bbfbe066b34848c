"""Jinja2 templates, rendered in a process of their own that holds no secret and ends when its limits are reached."""
