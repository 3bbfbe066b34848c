"""Customers, the operator and other programs are told: mail and webhooks."""
