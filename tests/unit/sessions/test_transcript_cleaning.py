"""Cleaning: what the sources say becomes turns, always the same ones."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clozone.sessions.transcript import NEW_TURN_AFTER_SECONDS, Turn, Utterance, clean, tidy

anything_said = st.lists(
    st.builds(
        Utterance,
        st.sampled_from(["rep", "customer"]),
        st.text(max_size=12)
        | st.sampled_from(["hello\0there", " ", "\u200b", "e\u0301", "\u0301"]),
        st.none() | st.floats() | st.floats(-1, 60),
        st.none() | st.floats() | st.floats(-1, 60),
    ),
    max_size=12,
)


def rep(text, start=None, end=None):
    return Utterance("rep", text, start, end)


def customer(text, start=None, end=None):
    return Utterance("customer", text, start, end)


def test_fragments_of_one_breath_become_one_turn():
    turns = clean(
        [rep("So, what", 1.0, 2.0), rep("would help you?", 2.4, 3.5), customer("Time.", 4, 5)]
    )
    assert turns == [
        Turn(0, "rep", "So, what would help you?", 1.0, 3.5),
        Turn(1, "customer", "Time.", 4.0, 5.0),
    ]


@pytest.mark.parametrize(
    ("pause", "count"), [(NEW_TURN_AFTER_SECONDS, 1), (NEW_TURN_AFTER_SECONDS + 0.1, 2)]
)
def test_a_long_pause_starts_a_new_turn(pause, count):
    assert len(clean([rep("One.", 0, 1), rep("Two.", 1 + pause, 6)])) == count


def test_turns_are_put_in_the_order_of_their_times():
    turns = clean(
        [customer("third", 9, 10), rep("first", 1, 2), customer("second", 4, 5), rep("x", 6, 7)]
    )
    assert [turn.text for turn in turns] == ["first", "second", "x", "third"]
    assert [turn.index for turn in turns] == [0, 1, 2, 3]


def test_a_fragment_without_a_time_stays_behind_the_one_it_followed():
    turns = clean([customer("late", 20, 21), rep("answer to late"), customer("early", 1, 2)])
    assert [turn.text for turn in turns] == ["early", "late", "answer to late"]


def test_without_times_the_order_of_the_source_stands():
    turns = clean([customer("b"), rep("a"), rep("c")])
    assert [(turn.speaker, turn.text) for turn in turns] == [("customer", "b"), ("rep", "a c")]
    assert all(turn.start is None and turn.end is None for turn in turns)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0, 1_795_488_000_000.0])
def test_unusable_times_count_as_not_told(bad):
    assert clean([rep("hello", bad, bad)]) == [Turn(0, "rep", "hello", None, None)]
    assert clean([rep("hello", 5.0, bad)]) == [Turn(0, "rep", "hello", 5.0, None)]


def test_an_end_before_the_start_is_unknown():
    assert clean([rep("hello", 5.0, 4.0)]) == [Turn(0, "rep", "hello", 5.0, None)]


def test_the_end_of_a_turn_is_unknown_when_its_last_fragment_tells_none():
    assert clean([rep("a", 1.0, 2.0), rep("b", 2.5, None)])[0].end is None


@pytest.mark.parametrize(
    ("dirty", "tidied"),
    [
        ("  two\t\n words ", "two words"),
        ("nul\0 and bell\a", "nul and bell"),
        ("a\u200bb\ufeff", "ab"),
        ("half an emoji \ud83d.", "half an emoji ."),
        ("cafe\u0301", "café"),
        ("non\u00a0breaking\u2003space", "non breaking space"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👩\u200d💻", "👩\u200d💻"),
    ],
)
def test_text_is_tidied(dirty, tidied):
    assert tidy(dirty) == tidied


def test_fragments_without_words_vanish():
    assert clean([rep(" \0 "), customer(""), rep("\u200b")]) == []


@given(anything_said)
def test_cleaning_is_idempotent_and_deterministic(raw):
    turns = clean(raw)
    assert clean(turns) == turns
    assert clean(list(raw)) == turns


@given(anything_said)
def test_clean_turns_keep_every_rule(raw):
    turns = clean(raw)
    assert [turn.index for turn in turns] == list(range(len(turns)))
    for turn in turns:
        assert turn.text
        assert "\0" not in turn.text
        turn.text.encode()
        assert turn.start is None or math.isfinite(turn.start)
        assert turn.end is None or turn.end >= turn.start
    starts = [turn.start for turn in turns if turn.start is not None]
    assert starts == sorted(starts)


@given(anything_said)
def test_no_word_is_lost_or_invented(raw):
    said = sorted("".join(tidy(item.text) for item in raw).replace(" ", ""))
    assert sorted("".join(turn.text for turn in clean(raw)).replace(" ", "")) == said
