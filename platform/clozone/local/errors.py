"""The bundle's one error: a sentence for the person at the terminal."""


class BundleError(Exception):
    """The bundle cannot do what was asked. The message says why and what to do about it."""


class Interrupted(BundleError):
    """Starting was given up because somebody asked to stop."""
