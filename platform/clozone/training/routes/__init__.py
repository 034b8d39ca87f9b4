"""HTTP: templates and assignments."""
