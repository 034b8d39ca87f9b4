"""What was asked and answered since the start, so that a test can prove nothing was paid twice."""

import hashlib
from collections import Counter
from typing import Any


class Stats:
    """Counts of calls. An answer counts from the moment at which a provider would charge for it."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start again from nothing."""
        self.received = 0
        self.asked: Counter[str] = Counter()
        self.whole_answers: dict[str, str] = {}
        self.answered: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()

    def count_question(self, content_hash: str) -> None:
        """This content was asked about, whatever comes of it."""
        self.asked[content_hash] += 1

    def count_answer(
        self, content_hash: str, whole: str, *, prompt: int, cached: int, completion: int
    ) -> None:
        """An answer was made for this content, with so many tokens; `whole` if nothing spoils it."""
        self.answered[content_hash] += 1
        self.whole_answers[content_hash] = hashlib.sha256(whole.encode()).hexdigest()
        self.tokens.update(prompt=prompt, cached=cached, completion=completion)

    def as_json(self) -> dict[str, Any]:
        """All counts; `…_by_content` by content hash, `failed` by fault or error code."""
        return {
            "received": self.received,
            "answered": self.answered.total(),
            "answered_by_content": dict(self.answered),
            "asked_by_content": dict(self.asked),
            "answer_sha256_by_content": dict(self.whole_answers),
            "failed": dict(self.failed),
            "tokens": {name: self.tokens[name] for name in ("prompt", "cached", "completion")},
        }
