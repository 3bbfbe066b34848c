"""Accounts: who they are, how they log in, and what a request is allowed."""
