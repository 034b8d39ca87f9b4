"""HTTP: sign-in, people, API keys."""
