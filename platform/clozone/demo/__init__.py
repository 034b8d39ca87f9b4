"""The demonstration: practice templates, written calls, and the run that feeds them in."""
