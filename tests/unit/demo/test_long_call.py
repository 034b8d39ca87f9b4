from itertools import pairwise

from clozone.demo.long_call import Aside, LongCall, SaidLine, Topic, expand

MATERIAL = LongCall(
    seed=3,
    words_per_second=2.0,
    asides_per_topic=2,
    opening=(SaidLine(speaker="customer", text="Hello?"),),
    topics=(
        Topic(thing="the dock", lines=("How?", "Like this.", "Why?", "Habit.")),
        Topic(thing="stock", lines=("How much?", "A lot.")),
    ),
    asides=(
        Aside(rep="{Thing}, you said?", customer="I did."),
        Aside(rep="And {thing} at night?", customer="Darker."),
        Aside(rep="Go on.", customer="That was all."),
    ),
    closing=(SaidLine(speaker="customer", text="Goodbye."),),
)


def test_the_same_material_gives_the_same_call() -> None:
    assert expand(MATERIAL) == expand(MATERIAL)


def test_another_seed_gives_another_call() -> None:
    assert expand(MATERIAL) != expand(MATERIAL.model_copy(update={"seed": 4}))


def test_every_written_line_is_said_once_and_in_order() -> None:
    said = [turn.text for turn in expand(MATERIAL)]
    written = ["Hello?", "How?", "Like this.", "Why?", "Habit.", "How much?", "A lot.", "Goodbye."]
    assert [line for line in said if line in written] == written


def test_each_topic_gets_its_asides_about_itself() -> None:
    said = " ".join(turn.text for turn in expand(MATERIAL))
    assert len(expand(MATERIAL)) == 8 + 2 * 2 * 2
    assert "{" not in said
    assert "dock" in said.lower()


def test_the_sides_take_turns_and_never_overlap() -> None:
    turns = expand(MATERIAL)[1:-1]
    assert all(before.speaker != after.speaker for before, after in pairwise(turns))
    assert all(before.end < after.start for before, after in pairwise(turns))
