"""A pipe on which a process says that it is ready: it writes a line to the end that it is given."""

import os
import select
from types import TracebackType


class Announcement:
    """The pipe. As a context manager, around the start of the process, it yields the descriptor
    that the process is to inherit, as the only element of a tuple.
    """

    def __init__(self) -> None:
        self._ours: int | None = None
        self._theirs: int | None = None

    def heard(self) -> bool:
        """Whether the line has come. Never waits."""
        if self._ours is None or not select.select([self._ours], [], [], 0)[0]:
            return False
        # Nothing is what a process leaves that died without a word.
        line = os.read(self._ours, 16)
        self._close_ours()
        return line.startswith(b"\n")

    def __enter__(self) -> tuple[int, ...]:
        self._ours, self._theirs = os.pipe()
        return (self._theirs,)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._theirs is not None:
            os.close(self._theirs)
            self._theirs = None

    def __del__(self) -> None:
        self._close_ours()

    def _close_ours(self) -> None:
        if self._ours is not None:
            os.close(self._ours)
            self._ours = None
