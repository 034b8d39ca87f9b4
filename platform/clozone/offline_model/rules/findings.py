"""Evidence per criterion, found by the rules of matching."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clozone.offline_model.rules.matching import (
    QUOTES_KEPT,
    Match,
    distinct_turns,
    matches,
    utterances,
)
from clozone.offline_model.rules.phrasebook import Phrasebook
from clozone.offline_model.rules.words import Sentence

# A scale is at its best when this many examples (or as many as there are) were shown in as many
# turns.
FULL_SCALE = 3
QUOTES_OF_A_SCALE = 4


@dataclass(frozen=True)
class Item:
    """One thing looked for in a criterion, and where it was found."""

    criterion: str
    kind: str
    key: str
    text: str
    examples: tuple[str, ...]
    found: tuple[Match, ...]
    level: int | None
    good: bool

    @property
    def observed(self) -> bool:
        """What the finding says: for a scale, that the level is above 1."""
        return bool(self.found)


def items_of(criterion: Mapping[str, Any], sentences: Sequence[Sentence]) -> list[Item]:
    """Look for everything that a criterion asks about in the rep's sentences."""
    key, name, kind = criterion["key"], criterion["name"], criterion["kind"]
    if kind == "checklist":
        return [_checklist_item(name, item, sentences) for item in criterion["items"]]
    examples = tuple(criterion.get("examples", ()))
    described = None if examples else criterion.get("description") or name
    if kind == "compliance" and criterion.get("rule") == "must_not_say":
        found = tuple(utterances(sentences, examples))
        return [Item(name, kind, key, name, examples, found, None, not found)]
    found = tuple(matches(sentences, examples, described))
    level = _level(found, len(examples)) if kind == "scale" else None
    good = bool(found) if level is None else level >= 7
    return [Item(name, kind, key, name, examples, found, level, good)]


def criterion_json(key: str, items: Sequence[Item], book: Phrasebook) -> dict[str, Any]:
    """The evidence of one criterion in the form of the schema."""
    return {
        "key": key,
        "level": items[0].level,
        "findings": [
            {
                "item": item.key,
                "observed": item.observed,
                "quotes": [
                    {"turn": match.sentence.turn, "text": match.sentence.quote}
                    for match in _quoted(item)
                ],
                "note": book.note(item.observed, item.found[0].rule if item.found else 0),
            }
            for item in items
        ],
    }


def _checklist_item(criterion: str, item: Mapping[str, Any], sentences: Sequence[Sentence]) -> Item:
    examples = tuple(item.get("examples", ()))
    found = tuple(matches(sentences, examples, item["text"]))
    return Item(
        criterion, "checklist", item["key"], item["text"], examples, found, None, bool(found)
    )


def _level(found: tuple[Match, ...], examples: int) -> int:
    """1 for nothing; else 3 for a first sign, up to 10 by how many examples and turns there are.

    Examples and turns count half each, both up to FULL_SCALE. Integer arithmetic, halves up.
    """
    if not found:
        return 1
    full = min(FULL_SCALE, examples) or FULL_SCALE
    shown = len({match.example for match in found if match.example is not None}) or 1
    breadth = min(shown, full) * FULL_SCALE + min(len(distinct_turns(found)), FULL_SCALE) * full
    most, least = 2 * full * FULL_SCALE, full + FULL_SCALE
    return 3 + (2 * 7 * (breadth - least) + most - least) // (2 * (most - least))


def _quoted(item: Item) -> list[Match]:
    if item.kind != "scale":
        return list(item.found[:QUOTES_KEPT])
    kept: dict[int, Match] = {}
    for match in item.found:
        kept.setdefault(match.sentence.turn, match)
    return list(kept.values())[:QUOTES_OF_A_SCALE]
