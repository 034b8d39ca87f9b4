"""Clozone: AI sales-call training that a company runs on its own machines."""
