"""Positions in the primary's write-ahead log, by which writes are told to have reached a replica."""

# Where a write ends that nobody can place, and what whoever must see everything has to wait for. No
# replica gets there, so the primary is read. A power of two: scripts in Redis count in floating point.
UNKNOWN_POSITION = 2**62
