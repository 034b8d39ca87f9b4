"""The offline model's own count of what it answered, and its faults."""

from dataclasses import dataclass
from typing import Any

import httpx2

from clozone.drill.target import Target

Fault = dict[str, Any]
TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Answers:
    """How often each content was answered, by content hash, and failures by their code.

    `asked` is how often each was asked about, answered or not; `texts` is the SHA-256 (hex) of its
    answer's text, by which it is found in the account book.
    """

    by_content: dict[str, int]
    failed: dict[str, int]
    asked: dict[str, int]
    texts: dict[str, str]

    def since(self, earlier: "Answers") -> "Answers":
        """What came after `earlier`."""
        return Answers(
            _difference(self.by_content, earlier.by_content),
            _difference(self.failed, earlier.failed),
            _difference(self.asked, earlier.asked),
            self.texts,
        )


class Model:
    """The model's control interface; safe to share between threads. It is never killed: it counts."""

    def __init__(self, target: Target) -> None:
        self._http = httpx2.Client(
            base_url=target.model_url, timeout=TIMEOUT_SECONDS, trust_env=False
        )

    def answers(self) -> Answers:
        """What was answered since the model's start."""
        told = self._http.get("/_control/stats").raise_for_status().json()
        return Answers(
            by_content=told["answered_by_content"],
            failed=told["failed"],
            asked=told["asked_by_content"],
            texts=told["answer_sha256_by_content"],
        )

    def armed(self) -> int:
        """How many faults wait to be met."""
        return len(self._http.get("/_control").raise_for_status().json()["faults"])

    def switch_to(self, *faults: Fault) -> None:
        """Replace the faults that are switched on; none switches all off."""
        self._http.post("/_control", json={"faults": list(faults)}).raise_for_status()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def _difference(now: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    return {
        key: count - before.get(key, 0) for key, count in now.items() if count > before.get(key, 0)
    }
