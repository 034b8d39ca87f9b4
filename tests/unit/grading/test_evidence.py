"""The schema is strict, and an answer that does not fit it is refused with reasons."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clozone.grading.evidence import UnreadableEvidence, gaps, parse, response_format
from clozone.training.rubric import Rubric

SCHEMA = response_format()["json_schema"]["schema"]


def answer(**changes: Any) -> dict[str, Any]:
    return {
        "language": "en",
        "summary": "A call.",
        "criteria": [
            {
                "key": "rapport",
                "level": 6,
                "findings": [
                    {
                        "item": "rapport",
                        "observed": True,
                        "quotes": [{"turn": 4, "text": "I hear you."}],
                        "note": "Listens.",
                    }
                ],
            }
        ],
        "strengths": ["Listens"],
        "next_steps": [],
        "better_lines": [{"turn": 5, "said": "We guarantee", "better": "We aim for"}],
    } | changes


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for part in schema.values():
            yield from objects(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from objects(part)


def test_every_object_of_the_schema_is_strict() -> None:
    found = list(objects(SCHEMA))
    assert len(found) == 5
    for schema in found:
        assert schema["additionalProperties"] is False
        assert schema["required"] == list(schema["properties"])
    assert response_format()["json_schema"]["strict"] is True
    assert response_format()["json_schema"]["name"] == "call_evidence"


def test_what_fits_the_schema_is_read() -> None:
    jsonschema.validate(answer(), SCHEMA)
    evidence = parse(json.dumps(answer()))
    assert evidence.criteria[0].level == 6
    assert evidence.criteria[0].findings[0].quotes[0].text == "I hear you."
    assert json.loads(evidence.model_dump_json()) == answer()


words = st.text(max_size=20)
quote = st.fixed_dictionaries({"turn": st.integers(), "text": words})
finding = st.fixed_dictionaries(
    {"item": words, "observed": st.booleans(), "quotes": st.lists(quote), "note": words}
)
criterion = st.fixed_dictionaries(
    {
        "key": words,
        "level": st.none() | st.integers(1, 10),
        "findings": st.lists(finding, max_size=3),
    }
)
better_line = st.fixed_dictionaries({"turn": st.integers(), "said": words, "better": words})
fitting = st.fixed_dictionaries(
    {
        "language": words,
        "summary": words,
        "criteria": st.lists(criterion, max_size=3),
        "strengths": st.lists(words, max_size=3),
        "next_steps": st.lists(words, max_size=3),
        "better_lines": st.lists(better_line, max_size=3),
    }
)


@given(fitting)
def test_whatever_fits_the_schema_is_read(body: dict[str, Any]) -> None:
    jsonschema.validate(body, SCHEMA)
    evidence = parse(json.dumps(body))
    assert [criterion.level for criterion in evidence.criteria] == [
        criterion["level"] for criterion in body["criteria"]
    ]
    jsonschema.validate(evidence.model_dump(mode="json"), SCHEMA)
    assert parse(evidence.model_dump_json()) == evidence


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "answer: Invalid JSON"),
        ('{"language": "en", "summ', "answer: Invalid JSON"),
        ("[]", "answer: Input should be an object"),
        (json.dumps(answer(score=100)), "score: Extra inputs are not permitted"),
        (json.dumps(answer(summary=None)), "summary: Input should be a valid string"),
        (
            json.dumps(answer(criteria=[{"key": "x", "level": 11, "findings": []}])),
            "criteria.0.level: Input should be less than or equal to 10",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_the_place(text: str, problem: str) -> None:
    with pytest.raises(UnreadableEvidence) as refused:
        parse(text)
    assert any(told.startswith(problem) for told in refused.value.problems)


def test_every_problem_is_told_and_the_answer_is_not_repeated() -> None:
    body = answer(language=1, summary={"secret words": 1})
    with pytest.raises(UnreadableEvidence) as refused:
        parse(json.dumps(body))
    assert len(refused.value.problems) == 2
    assert "secret words" not in str(refused.value)


def test_nul_characters_are_dropped() -> None:
    assert parse(json.dumps(answer(summary="A\0 call"))).summary == "A call"


def test_gaps_against_the_rubric_are_named(rubric: Rubric) -> None:
    body = answer()
    body["criteria"][0]["level"] = None
    body["criteria"] += [
        {"key": "charm", "level": None, "findings": []},
        {
            "key": "discovery",
            "level": None,
            "findings": [{"item": "budget", "observed": False, "quotes": [], "note": ""}],
        },
    ]
    assert gaps(parse(json.dumps(body)), rubric) == (
        "There is no criterion 'charm' in the rubric.",
        "The criterion 'discovery' has no finding for 'timing'.",
        "The criterion 'discovery' has no finding for 'decider'.",
        "The criterion 'rapport' is a scale and has no level.",
        "The criterion 'next_step' is missing.",
        "The criterion 'no_guarantee' is missing.",
        "The criterion 'recording' is missing.",
    )
