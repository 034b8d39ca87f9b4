from collections import Counter

import pytest

from clozone.drill.calls import DrillCall, drill_calls

CALLS = drill_calls(400, organisations=2, reps=3, seed=11)


def words(call: DrillCall) -> tuple[str, ...]:
    return tuple(turn.text for turn in call.call.turns)


def test_the_seed_decides_everything() -> None:
    assert drill_calls(50, 2, 3, seed=5) == drill_calls(50, 2, 3, seed=5)
    assert drill_calls(50, 2, 3, seed=5) != drill_calls(50, 2, 3, seed=6)


def test_only_twins_share_their_words() -> None:
    told = Counter(words(call) for call in CALLS if call.gradable)
    twins = Counter(words(call) for call in CALLS if call.twin_of is not None)
    assert {text for text, count in told.items() if count > 1} == set(twins)
    assert twins


def test_twins_are_of_one_organisation_and_template() -> None:
    for twin in (call for call in CALLS if call.twin_of is not None):
        other = CALLS[twin.content]
        assert (twin.organisation, twin.call.template) == (other.organisation, other.call.template)
        assert twin.number != other.number


@pytest.mark.parametrize("wanted", [3, 10])
def test_the_smallest_drill_has_one_of_each_sort(wanted: int) -> None:
    for seed in range(30):
        calls = drill_calls(wanted, 2, 3, seed)
        assert any(not call.gradable for call in calls)
        assert any(call.twin_of is not None for call in calls)


def test_calls_differ_in_length_and_their_turns_follow_one_another() -> None:
    assert len({len(call.call.turns) for call in CALLS if call.gradable}) > 10
    for call in CALLS:
        starts = [turn.start for turn in call.call.turns]
        assert starts == sorted(starts)
        assert all(turn.start < turn.end for turn in call.call.turns)
