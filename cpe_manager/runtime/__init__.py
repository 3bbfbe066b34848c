"""Supervised tasks, logs, metrics."""
