"""What can be done with accounts."""
