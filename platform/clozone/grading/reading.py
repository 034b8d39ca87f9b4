"""Reading a call: the model is asked for evidence, the evidence is checked, and asked for once more.

Nothing here touches the database; how a question is put to the model is passed in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from clozone.grading.evidence import Evidence, UnreadableEvidence, gaps, parse
from clozone.grading.excerpt import merge, windows
from clozone.grading.prompt import PROMPT_VERSION, correction, messages
from clozone.grading.scored_call import ScoredCall
from clozone.grading.scoring import score
from clozone.llm.errors import ModelRefused, UnusableAnswer
from clozone.sessions.transcript import Turn
from clozone.training.rubric import Rubric

Messages = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said, who it says it is, and where that is on record."""

    content: str
    model: str
    call_id: UUID


Ask = Callable[[Messages], Answer]


@dataclass(frozen=True, slots=True)
class Reading:
    """A call that was read and scored, with all that the score was made from."""

    scored: ScoredCall
    evidence: Evidence
    model: str
    prompt_version: str
    call_id: UUID


def read_call(
    rubric: Rubric, scenario: str, turns: Sequence[Turn], ask: Ask, max_tokens: int
) -> Reading:
    """Read the whole call, in windows of at most `max_tokens` if it is long, and score it.

    Raises UnreadableEvidence when an answer is no evidence, and whatever `ask` raises.
    """
    parts = windows(turns, max_tokens)
    read = [
        _read_window(rubric, scenario, window, (number, len(parts)), ask)
        for number, window in enumerate(parts, start=1)
    ]
    evidence = merge([evidence for evidence, _ in read])
    last = read[-1][1]
    return Reading(
        score(rubric, evidence, turns), evidence, last.model, PROMPT_VERSION, last.call_id
    )


def _read_window(
    rubric: Rubric, scenario: str, window: Sequence[Turn], part: tuple[int, int], ask: Ask
) -> tuple[Evidence, Answer]:
    asked = messages(rubric, scenario, window, part=part)
    answer = ask(asked)
    evidence = parse(answer.content)
    problems = _problems(rubric, evidence, window)
    if not problems:
        return evidence, answer
    try:
        again = ask(correction(asked, answer.content, problems))
        corrected = parse(again.content)
    except (UnreadableEvidence, UnusableAnswer, ModelRefused):
        # The first answer was readable; what is wrong with it is marked unsupported in the grade.
        return evidence, answer
    better = len(_problems(rubric, corrected, window)) < len(problems)
    return (corrected, again) if better else (evidence, answer)


def _problems(rubric: Rubric, evidence: Evidence, window: Sequence[Turn]) -> list[str]:
    unsupported = score(rubric, evidence, window).unsupported
    return [
        *gaps(evidence, rubric),
        *(
            f"{item.key!r} is reported as observed, but none of its quotes stands in a rep's turn."
            for item in unsupported
        ),
    ]
