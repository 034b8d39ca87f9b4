"""What was asked and answered since the start, so that a test can prove nothing was paid twice."""

from collections import Counter
from typing import Any


class Stats:
    """Counts of calls. An answer counts from the moment at which a provider would charge for it."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start again from nothing."""
        self.received = 0
        self.answered: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()

    def count_answer(self, content_hash: str, *, prompt: int, cached: int, completion: int) -> None:
        """An answer was made for this content, with so many tokens."""
        self.answered[content_hash] += 1
        self.tokens.update(prompt=prompt, cached=cached, completion=completion)

    def as_json(self) -> dict[str, Any]:
        """All counts; `answered_by_content` by content hash, `failed` by fault or error code."""
        return {
            "received": self.received,
            "answered": self.answered.total(),
            "answered_by_content": dict(self.answered),
            "failed": dict(self.failed),
            "tokens": {name: self.tokens[name] for name in ("prompt", "cached", "completion")},
        }
