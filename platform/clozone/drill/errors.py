"""What keeps the drill from running; a loss that it finds is no error but its result."""


class DrillError(Exception):
    """The drill cannot run, or cannot go on; one sentence that says why and what to do."""
