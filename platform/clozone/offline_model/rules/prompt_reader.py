"""Reading the rubric and the transcript out of a prompt, as the platform writes it."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clozone.offline_model.rules.words import Sentence, sentences_of

_RUBRIC = re.compile(r"<rubric>\n(.*?)\n</rubric>", re.DOTALL)
_TRANSCRIPT = re.compile(r"<transcript>\n(.*?)\n?</transcript>", re.DOTALL)


class UnreadablePrompt(ValueError):
    """The prompt holds no rubric or no transcript that can be read."""


@dataclass(frozen=True)
class NumberedTurn:
    """One line of the transcript."""

    number: int
    speaker: str
    text: str


@dataclass(frozen=True)
class Call:
    """What there is to judge: the criteria as the rubric's JSON, and the turns."""

    criteria: tuple[Mapping[str, Any], ...]
    turns: tuple[NumberedTurn, ...]

    @property
    def rep_turns(self) -> list[NumberedTurn]:
        """The turns of the rep."""
        return [turn for turn in self.turns if turn.speaker == "rep"]

    @property
    def rep_sentences(self) -> list[Sentence]:
        """What the rep said, sentence by sentence."""
        return [s for turn in self.rep_turns for s in sentences_of(turn.number, turn.text)]


def read_prompt(texts: Sequence[str]) -> Call:
    """The call that the messages (their texts, in order) ask about. Raises UnreadablePrompt."""
    rubric = _fenced(_RUBRIC, texts, "rubric")
    transcript = _fenced(_TRANSCRIPT, texts, "transcript")
    try:
        criteria = json.loads(rubric)["criteria"]
        turns = [_turn(json.loads(line)) for line in transcript.split("\n") if line.strip()]
        return Call(tuple(_checked(criterion) for criterion in criteria), tuple(turns))
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadablePrompt(f"the rubric or the transcript is malformed: {error!r}") from error


def _fenced(fence: re.Pattern[str], texts: Sequence[str], name: str) -> str:
    # The instructions may name the fences, too; the last one in a message is the real one.
    for text in texts:
        found = fence.findall(text)
        if found:
            return str(found[-1])
    raise UnreadablePrompt(f"the messages hold no <{name}> between fences of their own lines")


def _turn(line: Mapping[str, Any]) -> NumberedTurn:
    return NumberedTurn(int(line["turn"]), str(line["speaker"]), str(line["text"]))


def _checked(criterion: Mapping[str, Any]) -> Mapping[str, Any]:
    parts = criterion["items"] if criterion["kind"] == "checklist" else [criterion]
    for part, names in [(criterion, ("key", "name", "kind")), *((p, ("key",)) for p in parts)]:
        if not all(isinstance(part[name], str) for name in names):
            raise TypeError(f"{', '.join(names)} must be text")
    for part in parts:
        if not all(isinstance(example, str) for example in part.get("examples", ())):
            raise TypeError("examples must be texts")
    return criterion
