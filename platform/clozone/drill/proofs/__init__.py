"""The proofs: each takes the evidence and returns what it checked and what was wrong."""
