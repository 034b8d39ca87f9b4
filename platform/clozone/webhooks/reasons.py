"""An error as the reason that is kept beside a delivery."""


def reason_of(error: BaseException) -> str:
    """Type and first line: further lines quote data, PostgreSQL's the row. At most 500 characters."""
    first = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {first}"[:500]
