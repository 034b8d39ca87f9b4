"""The rubric refuses what cannot be graded, and says why."""

from typing import Any

import pytest
from pydantic import ValidationError

from clozone.training.rubric import Rubric


def body(**changes: Any) -> dict[str, Any]:
    return {
        "pass_score": 70,
        "criteria": [
            {
                "key": "discovery",
                "name": "Discovery",
                "kind": "checklist",
                "weight": 60,
                "items": [
                    {"key": "budget", "text": "Asks about the budget", "examples": ["your budget"]},
                    {"key": "timing", "text": "Asks about the timing"},
                ],
            },
            {"key": "rapport", "name": "Rapport", "kind": "scale", "weight": 20},
            {"key": "next_step", "name": "Next step", "kind": "yes_no", "weight": 20},
            {
                "key": "honest",
                "name": "Honest claims",
                "kind": "compliance",
                "rule": "must_not_say",
                "examples": ["we guarantee"],
            },
        ],
    } | changes


def problems(rubric: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as refused:
        Rubric.model_validate(rubric)
    return [
        (".".join(str(part) for part in error["loc"]), error["msg"])
        for error in refused.value.errors()
    ]


def test_a_rubric_of_all_four_kinds_is_read() -> None:
    rubric = Rubric.model_validate(body())
    assert [criterion.kind for criterion in rubric.criteria] == [
        "checklist",
        "scale",
        "yes_no",
        "compliance",
    ]
    assert rubric.criteria[0].item_keys == ("budget", "timing")
    assert rubric.criteria[1].item_keys == ("rapport",)
    assert rubric.criteria[3].weight == 0


def test_the_dump_reads_back_as_the_same_rubric() -> None:
    rubric = Rubric.model_validate(body())
    assert Rubric.model_validate(rubric.model_dump(mode="json")) == rubric


def test_weights_that_do_not_sum_to_100_are_told_their_sum() -> None:
    rubric = body()
    rubric["criteria"][1]["weight"] = 10
    assert problems(rubric) == [
        ("", "The weights of the criteria must sum to 100; they sum to 90.")
    ]


def test_a_compliance_criterion_has_no_weight() -> None:
    rubric = body()
    rubric["criteria"][3]["weight"] = 5
    assert problems(rubric) == [("criteria.3.compliance.weight", "Input should be 0")]


@pytest.mark.parametrize("weight", [-1, 101, 20.5, "20", True, None])
def test_a_weight_is_a_whole_number_from_0_to_100(weight: object) -> None:
    rubric = body()
    rubric["criteria"][1]["weight"] = weight
    assert [where for where, _ in problems(rubric)] == ["criteria.1.scale.weight"]


@pytest.mark.parametrize("pass_score", [-1, 101, "70", 70.5])
def test_the_pass_score_is_a_whole_number_from_0_to_100(pass_score: object) -> None:
    assert [where for where, _ in problems(body(pass_score=pass_score))] == ["pass_score"]


def test_two_criteria_with_one_key_are_refused_by_name() -> None:
    rubric = body()
    rubric["criteria"][2]["key"] = "rapport"
    assert problems(rubric) == [
        ("", "The keys of the criteria must be unique; used more than once: rapport.")
    ]


def test_two_items_with_one_key_are_refused_by_name() -> None:
    rubric = body()
    rubric["criteria"][0]["items"][1]["key"] = "budget"
    assert problems(rubric) == [
        (
            "criteria.0.checklist",
            "The keys of the items of the criterion 'discovery' must be unique;"
            " used more than once: budget.",
        )
    ]


@pytest.mark.parametrize("key", ["", "Budget", "a-b", "a b", "x" * 41, "é"])
def test_a_key_is_lower_case_letters_digits_and_underscores(key: str) -> None:
    rubric = body()
    rubric["criteria"][1]["key"] = key
    assert [where for where, _ in problems(rubric)] == ["criteria.1.scale.key"]


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ((), "colour"),
        (("criteria", 0), "criteria.0.checklist.colour"),
        (("criteria", 0, "items", 0), "criteria.0.checklist.items.0.colour"),
    ],
)
def test_unknown_fields_are_refused(path: tuple[str | int, ...], where: str) -> None:
    rubric = body()
    part: Any = rubric
    for step in path:
        part = part[step]
    part["colour"] = "red"
    assert problems(rubric) == [(where, "Extra inputs are not permitted")]


def test_an_unknown_kind_is_told_the_known_ones() -> None:
    rubric = body()
    rubric["criteria"][1]["kind"] = "stars"
    [(where, message)] = problems(rubric)
    assert where == "criteria.1"
    for kind in ("checklist", "scale", "yes_no", "compliance"):
        assert kind in message


@pytest.mark.parametrize("items", [[], [{"key": f"i{n}", "text": "x"} for n in range(13)]])
def test_a_checklist_has_1_to_12_items(items: list[object]) -> None:
    rubric = body()
    rubric["criteria"][0]["items"] = items
    assert [where for where, _ in problems(rubric)] == ["criteria.0.checklist.items"]


def test_a_rubric_has_1_to_20_criteria() -> None:
    assert [where for where, _ in problems(body(criteria=[]))] == ["criteria"]
    many = [
        {"key": f"c{n}", "name": "x", "kind": "yes_no", "weight": 100 if n == 0 else 0}
        for n in range(21)
    ]
    assert [where for where, _ in problems(body(criteria=many))] == ["criteria"]
    assert len(Rubric.model_validate(body(criteria=many[:20])).criteria) == 20


def test_text_that_the_database_cannot_store_is_refused() -> None:
    rubric = body()
    rubric["criteria"][1]["name"] = "Rap\0port"
    assert problems(rubric) == [
        ("criteria.1.scale.name", "Holds control characters; write plain text.")
    ]


def test_equal_rubrics_hash_alike_whatever_the_order_of_their_fields() -> None:
    turned = {key: body()[key] for key in reversed(body())}
    same = Rubric.model_validate(turned).content_hash()
    assert same == Rubric.model_validate(body()).content_hash()
    assert len(same) == 32


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("pass_score",), 71),
        (("criteria", 0, "items", 0, "text"), "Asks about money"),
        (("criteria", 0, "items", 0, "examples"), []),
        (("criteria", 3, "rule"), "must_say"),
        (("criteria", 1, "description"), "x"),
    ],
)
def test_any_change_changes_the_hash(path: tuple[str | int, ...], value: object) -> None:
    rubric = body()
    part: Any = rubric
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    changed = Rubric.model_validate(rubric).content_hash()
    assert changed != Rubric.model_validate(body()).content_hash()


def test_a_rubric_cannot_be_changed() -> None:
    rubric = Rubric.model_validate(body())
    with pytest.raises(ValidationError):
        rubric.pass_score = 1  # type: ignore[misc]
