"""Routes of the notifications slice."""
