"""Evidence made worse on purpose, for tests of what depends on it."""

import random
from typing import Any

INVENTED = "I never said these seven invented words."


def jittered(evidence: dict[str, Any], seed: str, rate: float) -> dict[str, Any]:
    """Evidence of a less steady reader: drops findings, and moves levels by one, at this rate.

    The same seed gives the same result. Nothing is made up: what is left stays supported.
    """
    chance = random.Random(seed)
    return evidence | {
        "criteria": [
            criterion
            | {
                "level": _moved(criterion["level"], chance, rate),
                "findings": [_dropped(f, chance, rate) for f in criterion["findings"]],
            }
            for criterion in evidence["criteria"]
        ]
    }


def with_invented_quote(evidence: dict[str, Any]) -> dict[str, Any]:
    """The same, but the quotes of the first observed finding were never said."""
    done = False
    criteria = []
    for criterion in evidence["criteria"]:
        findings = []
        for finding in criterion["findings"]:
            if finding["observed"] and not done:
                done = True
                findings.append(finding | {"quotes": [{"turn": 0, "text": INVENTED}]})
            else:
                findings.append(finding)
        criteria.append(criterion | {"findings": findings})
    return evidence | {"criteria": criteria}


def _moved(level: int | None, chance: random.Random, rate: float) -> int | None:
    if level is None or chance.random() >= rate:
        return level
    return min(10, max(1, level + chance.choice((-1, 1))))


def _dropped(finding: dict[str, Any], chance: random.Random, rate: float) -> dict[str, Any]:
    if not finding["observed"] or chance.random() >= rate:
        return finding
    return finding | {"observed": False, "quotes": []}
