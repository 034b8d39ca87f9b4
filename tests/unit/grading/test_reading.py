"""Reading a call with a model that answers as the test says."""

import json
from typing import Any

import pytest

from clozone.grading.evidence import UnreadableEvidence
from clozone.grading.prompt import PROMPT_VERSION
from clozone.grading.reading import Answer, read_call
from clozone.kit.ids import new_id
from clozone.llm.errors import ModelBusy, ModelRefused, UnusableAnswer
from clozone.sessions.transcript import Turn
from clozone.training.rubric import Rubric

ENOUGH = 10_000
RUBRIC = Rubric.model_validate(
    {
        "pass_score": 50,
        "criteria": [
            {
                "key": "discovery",
                "name": "Discovery",
                "kind": "checklist",
                "weight": 100,
                "items": [
                    {"key": "budget", "text": "Asks about the budget"},
                    {"key": "decider", "text": "Asks who decides"},
                ],
            }
        ],
    }
)
TURNS = [
    Turn(0, "rep", "What is your budget?"),
    Turn(1, "customer", "Ten thousand. My boss decides."),
    Turn(2, "rep", "Who decides in the end?"),
]
BUDGET, DECIDER = "What is your budget?", "Who decides in the end?"
INVENTED = "Nobody ever said this"


def evidence(**quotes: str | None) -> str:
    """Evidence in which these items were observed with these words, or not at all (None)."""
    findings = [
        {
            "item": item,
            "observed": text is not None,
            "quotes": [{"turn": 0, "text": text}] if text else [],
            "note": "",
        }
        for item, text in quotes.items()
    ]
    return json.dumps(
        {
            "language": "en",
            "summary": "",
            "criteria": [{"key": "discovery", "level": None, "findings": findings}],
            "strengths": [],
            "next_steps": [],
            "better_lines": [],
        }
    )


class Model:
    """Answers in this order; an exception is raised instead."""

    def __init__(self, *answers: str | Exception) -> None:
        self._answers = list(answers)
        self.asked: list[list[dict[str, Any]]] = []
        self.given: list[Answer] = []

    def ask(self, messages: list[dict[str, Any]]) -> Answer:
        self.asked.append(messages)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        self.given.append(Answer(answer, "a model", new_id()))
        return self.given[-1]


def test_good_evidence_is_asked_for_once():
    model = Model(evidence(budget=BUDGET, decider=DECIDER))
    reading = read_call(RUBRIC, "", TURNS, model.ask, ENOUGH)
    assert (reading.scored.score, reading.scored.passed) == (100, True)
    assert (reading.model, reading.prompt_version) == ("a model", PROMPT_VERSION)
    assert reading.call_id == model.given[0].call_id
    assert len(model.asked) == 1


@pytest.mark.parametrize(
    ("first", "problem"),
    [
        (evidence(budget=INVENTED, decider=DECIDER), "'budget' is reported as observed"),
        (evidence(decider=DECIDER), "no finding for 'budget'"),
    ],
)
def test_what_is_wrong_is_told_and_asked_for_once_more(first, problem):
    model = Model(first, evidence(budget=BUDGET, decider=DECIDER))
    reading = read_call(RUBRIC, "", TURNS, model.ask, ENOUGH)
    assert reading.scored.score == 100
    assert reading.call_id == model.given[1].call_id
    asked, again = model.asked
    assert again[: len(asked)] == asked
    assert again[len(asked)] == {"role": "assistant", "content": first}
    assert problem in again[-1]["content"]


def test_what_is_still_wrong_is_marked_and_does_not_count():
    model = Model(*[evidence(budget=INVENTED, decider=DECIDER)] * 2)
    reading = read_call(RUBRIC, "", TURNS, model.ask, ENOUGH)
    assert reading.scored.score == 50
    assert [item.key for item in reading.scored.unsupported] == ["budget"]
    assert len(model.asked) == 2


@pytest.mark.parametrize(
    "second",
    [
        evidence(budget=INVENTED, decider=INVENTED),
        "{}",
        UnusableAnswer("truncated", ""),
        ModelRefused("refusal", ""),
    ],
)
def test_a_second_answer_that_is_no_better_does_not_spoil_the_first(second):
    model = Model(evidence(budget=INVENTED, decider=DECIDER), second)
    reading = read_call(RUBRIC, "", TURNS, model.ask, ENOUGH)
    assert reading.scored.score == 50
    assert reading.call_id == model.given[0].call_id


def test_a_busy_model_is_asked_the_second_question_later():
    model = Model(evidence(budget=INVENTED), ModelBusy("rate_limit", ""))
    with pytest.raises(ModelBusy):
        read_call(RUBRIC, "", TURNS, model.ask, ENOUGH)


def test_an_answer_that_is_no_evidence_is_an_error():
    with pytest.raises(UnreadableEvidence):
        read_call(RUBRIC, "", TURNS, Model("{}").ask, ENOUGH)


def test_a_long_call_is_read_in_parts_and_scored_as_one():
    between = [Turn(3 + n, "customer", f"And another thing, number {n}. " * 4) for n in range(8)]
    turns = [TURNS[0], *between, Turn(11, "rep", DECIDER)]
    heard = {BUDGET: "budget", DECIDER: "decider"}
    asked: list[str] = []

    def ask(messages: list[dict[str, Any]]) -> Answer:
        asked.append(messages[-1]["content"])
        found: dict[str, str | None] = dict.fromkeys(heard.values())
        found |= {item: words for words, item in heard.items() if words in asked[-1]}
        return Answer(evidence(**found), "a model", new_id())

    reading = read_call(RUBRIC, "", turns, ask, 200)
    assert len(asked) > 1
    assert f"part {len(asked)} of {len(asked)}" in asked[-1]
    assert not any(BUDGET in part and DECIDER in part for part in asked)
    assert reading.scored.score == 100
