"""Progress while a drill runs: one line that changes on a terminal, a line now and then elsewhere."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

TERMINAL_SECONDS = 1.0
PLAIN_SECONDS = 10.0


class Display:
    """Shows what `line` says, again and again, until it is left."""

    def __init__(self, console: Console, line: Callable[[], str]) -> None:
        self._console = console
        self._line = line
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="display", daemon=True)

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        if self._live:
            self._live.stop()

    def _run(self) -> None:
        while not self._stop.wait(TERMINAL_SECONDS if self._live else PLAIN_SECONDS):
            line = self._line()
            if self._live:
                self._live.update(Text(line), refresh=True)
            else:
                self._console.print(line, highlight=False)
