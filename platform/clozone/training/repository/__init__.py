"""Rows of templates and assignments. Never filtered by organisation: the scope does that."""
