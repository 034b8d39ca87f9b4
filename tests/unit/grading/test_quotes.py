"""A quote is found however it is written, and never where it was not said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clozone.grading.quotes import FoundQuote, Transcript, normalise, occurs
from clozone.sessions.transcript import Turn


@pytest.mark.parametrize(
    ("quote", "text"),
    [
        ("WHAT IS your budget", "So — what is your budget?"),
        ("what's your budget", "What’s your budget?"),
        ("“well-known brands”", "We serve well–known   brands."),
        ("... this year …", "Not this year, sorry"),
        ("ﬁne with me", "That is fine with me"),
        ("STRASSE", "in der Straße"),
        ("cafe\u0301", "im Café"),
        ("zero\u200bwidth", "zerowidth"),
        ("１００ users", "for 100 users"),
        ("预算是多少", "请问你们的预算是多少？"),
        ("ราคา", "คุณคิดว่าราคาแพงไหม"),
        ("予算はいくら", "ご予算はいくらでしょうか"),
        ("¿Cuál es su presupuesto?", "Y dígame, ¿cuál es su presupuesto?"),
    ],
)
def test_spelling_that_does_not_matter(quote: str, text: str) -> None:
    assert occurs(quote, text)


@pytest.mark.parametrize(
    ("quote", "text"),
    [
        ("art", "let us start"),
        ("budget", "budgets"),
        ("what is your budget", "what is the budget"),
        ("your budget what is", "what is your budget"),
        ("", "anything"),
        ("?!…", "Really?!…"),
        ("cafe", "im Café"),
        ("3.5", "35"),
    ],
)
def test_words_that_were_not_said(quote: str, text: str) -> None:
    assert not occurs(quote, text)


@given(st.text())
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(st.lists(st.from_regex(r"[a-zàéß]{1,8}", fullmatch=True), min_size=1), st.data())
def test_every_run_of_words_occurs(words: list[str], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(words) - 1))
    end = data.draw(st.integers(start + 1, len(words)))
    assert occurs(", ".join(words[start:end]).upper(), " ".join(words))


def test_the_turn_is_put_right(turns: list[Turn]) -> None:
    found = Transcript(turns).find("Let's meet on Tuesday", near=1)
    assert found == FoundQuote(turns[4], "Let's meet on Tuesday")


def test_of_several_turns_the_nearest_is_taken() -> None:
    said = [Turn(index, "rep", "That makes sense.") for index in (0, 4, 8)]
    for near, expected in [(-3, 0), (3, 4), (6, 4), (7, 8), (99, 8)]:
        found = Transcript(said).find("makes sense", near=near)
        assert isinstance(found, FoundQuote)
        assert found.turn.index == expected


def test_the_customer_s_words_are_told_apart_from_invented_ones(turns: list[Turn]) -> None:
    transcript = Transcript(turns)
    assert transcript.find("a budget of ten thousand", near=1) == "said_by_customer"
    assert transcript.find("a budget of nine thousand", near=1) == "not_in_transcript"


def test_a_quote_does_not_reach_over_two_turns(turns: list[Turn]) -> None:
    found = Transcript(turns).find("on Tuesday at ten. We guarantee", near=4)
    assert found == "not_in_transcript"
