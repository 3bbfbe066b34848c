"""Configurations of a small business site, made from a seed."""
