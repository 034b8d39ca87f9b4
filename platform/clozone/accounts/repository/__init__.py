"""Rows of accounts. Never filtered by organisation: the scope does that."""
