"""What can be done with templates and assignments."""
