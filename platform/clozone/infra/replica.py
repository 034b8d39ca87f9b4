"""The read replica: how far it is, and whether it may be read from."""


def write_position() -> int:
    """The position in the write-ahead log that holds everything committed so far; 0 where no
    replica is configured, so that nobody needs to know.
    """
    return 0
