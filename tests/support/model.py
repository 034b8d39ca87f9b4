"""The offline model as a process of its own, its faults in the hands of a test."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from tests.support.processes import PlatformProcess, await_http, free_port

# It answers to a name that has a published price, and to one that has none.
PRICED = "gpt-6-luna"
UNPRICED = "a-model-nobody-sells"


class OfflineModel:
    """A running offline model."""

    def __init__(self, url: str) -> None:
        self.url = url

    @property
    def base_url(self) -> str:
        """What OPENAI_BASE_URL is to be."""
        return f"{self.url}/v1"

    def switch(self, *faults: dict[str, Any]) -> None:
        """Switch these faults on and all others off."""
        httpx2.post(f"{self.url}/_control", json={"faults": list(faults)}).raise_for_status()

    def reset(self) -> None:
        """No faults, and nothing counted."""
        self.switch()
        httpx2.delete(f"{self.url}/_control/stats").raise_for_status()

    def stats(self) -> dict[str, Any]:
        """What was asked since the last reset."""
        return dict(httpx2.get(f"{self.url}/_control/stats").raise_for_status().json())

    def answered(self) -> int:
        """How many answers a provider would have charged for."""
        return int(self.stats()["answered"])


@contextmanager
def offline_model(environment: dict[str, str], log: Path) -> Iterator[OfflineModel]:
    """An offline model for as long as the block runs."""
    port = free_port()
    names = ["--alias", PRICED, "--alias", UNPRICED]
    with PlatformProcess(
        ["offline-model", "--bind", f"127.0.0.1:{port}", *names], environment, log
    ):
        await_http(f"http://127.0.0.1:{port}/_health")
        yield OfflineModel(f"http://127.0.0.1:{port}")
