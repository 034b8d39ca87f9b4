"""Metrics against figures worked out by hand."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clozone.sessions.fillers import FILLERS, count_fillers, guess_language
from clozone.sessions.metrics import measure
from clozone.sessions.transcript import Turn, Utterance, clean, count_words


def turns(*said):
    return [
        Turn(i, speaker, text, start, end) for i, (speaker, text, start, end) in enumerate(said)
    ]


CALL = turns(
    ("customer", "Hello, Dana speaking.", 0.0, 2.0),
    ("rep", "Um, hi Dana, what is the main problem with your ordering?", 3.0, 9.0),
    ("customer", "We lose a day every week on it, and the team hates it.", 9.5, 19.5),
    ("rep", "Which part takes longest? And who does it?", 18.0, 22.0),
    ("customer", "Approvals. My two coordinators do.", 24.0, 28.0),
    ("rep", "Mm-hm.", 26.0, 26.5),
    ("rep", "So you could save, you know, four hours. Shall we look on Tuesday?", 29.0, 37.0),
)


def test_a_call_worked_out_by_hand():
    metrics = measure(CALL, 60.0)
    assert metrics.basis == "timestamps"
    assert metrics.language == "en"
    assert metrics.duration_seconds == 60.0
    # rep 6 + 4 + 0.5 + 8 = 18.5 s; customer 2 + 10 + 4 = 16 s
    assert metrics.talk_ratio == pytest.approx(18.5 / 34.5, abs=0.001)
    assert metrics.longest_monologue_seconds == 8.0  # the last turn
    assert metrics.questions == 4
    assert metrics.question_rate_per_minute == 4.0
    assert metrics.filler_words == 2  # "Um", "you know"
    assert metrics.filler_rate_per_minute == pytest.approx(2 * 60 / 18.5, abs=0.001)
    assert metrics.interactivity == 5.0
    assert metrics.interruptions == 1  # at 18.0; "Mm-hm" listens
    assert metrics.patience_seconds == 1.0  # waits 1.0, 0.0 (talked over), 1.0
    assert metrics.words_per_minute == pytest.approx((11 + 8 + 1 + 13) * 60 / 18.5, abs=0.001)


def test_without_times_only_what_words_can_tell():
    metrics = measure(
        turns(("customer", "One two three?", None, None), ("rep", "Four.", None, None)), 30.0
    )
    assert metrics.basis == "words"
    assert metrics.talk_ratio == 0.25
    assert metrics.questions == 0
    assert metrics.interactivity == 2.0
    for unknown in (
        "longest_monologue_seconds",
        "interruptions",
        "patience_seconds",
        "words_per_minute",
        "filler_rate_per_minute",
    ):
        assert getattr(metrics, unknown) is None


def test_without_times_and_duration_there_are_no_rates():
    metrics = measure(turns(("rep", "Is it?", None, None), ("customer", "Yes.", None, None)), None)
    assert (metrics.questions, metrics.question_rate_per_minute) == (1, None)
    assert (metrics.duration_seconds, metrics.interactivity) == (None, None)


def test_an_empty_call_measures_nothing():
    metrics = measure([], None)
    assert {name for name, value in metrics.to_json().items() if value is not None} == {"basis"}


def test_questions_of_an_unpunctuated_transcript_are_unknown():
    assert (
        measure(turns(("rep", "what is it", 0, 1), ("customer", "a thing", 2, 3)), 9).questions
        is None
    )


def test_several_question_marks_are_one_question():
    assert measure(turns(("rep", "Really?? 本当ですか？", 0, 1)), 60).questions == 2


def test_only_the_rep_is_counted():
    metrics = measure(
        turns(("customer", "Um, why? You know, who?", 0, 5), ("rep", "To help you.", 6, 8)), 60
    )
    assert (metrics.questions, metrics.filler_words) == (0, 0)


def test_a_few_turns_without_times_do_not_cost_the_timestamps():
    call = [*CALL, Turn(7, "customer", "Fine.", None, None)]
    assert measure(call, 60.0).basis == "timestamps"
    assert measure(call, 60.0).talk_ratio == measure(CALL, 60.0).talk_ratio


def test_a_customer_turn_without_times_still_ends_a_monologue():
    call = turns(
        ("rep", "We do many things for many people here.", 0, 10),
        ("customer", "Stop.", 12, None),
        ("rep", "We also do many other things for them.", 14, 20),
    )
    assert measure(call, 20).longest_monologue_seconds == 10.0


def test_listening_aloud_does_not_end_a_monologue():
    call = turns(
        ("rep", "We do many things for many people here.", 0, 10),
        ("customer", "Right.", 4, 4.5),
        ("rep", "And we do many other things as well.", 11, 20),
        ("customer", "Right.", 21, 22),
    )
    assert measure(call, 60).longest_monologue_seconds == 20.0
    assert measure(call, 60).interactivity == 1.0


def test_talking_over_the_customer_waits_no_time():
    call = turns(("customer", "a b c", 0, 10), ("rep", "d e f", 6, 12))
    assert measure(call, 12).patience_seconds == 0.0


def test_talking_over_by_a_breath_is_no_interruption():
    call = turns(("customer", "a b c", 0, 10), ("rep", "d e f", 9.8, 12))
    assert measure(call, 12).interruptions == 0


def test_overlapping_fragments_of_one_speaker_count_once():
    call = turns(("rep", "a b c", 0, 10), ("customer", "d e f", 10, 20), ("rep", "g h i", 8, 10))
    assert measure(call, 20).talk_ratio == 0.5


def test_a_call_lasts_at_least_as_long_as_what_was_said():
    assert measure(CALL, 10.0).duration_seconds == 37.0


@pytest.mark.parametrize("told", [float("inf"), float("nan"), -5.0, 1e12])
def test_an_impossible_duration_counts_as_not_told(told):
    assert measure(CALL, told) == measure(CALL, None)


def test_patience_is_the_median_wait():
    call = turns(
        ("customer", "a", 0, 1), ("rep", "b", 2, 3), ("customer", "c", 4, 5), ("rep", "d", 8, 9),
        ("customer", "e", 10, 11), ("rep", "f", 11.5, 12),
    )  # fmt: skip
    assert measure(call, 12).patience_seconds == 1.0


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Um, so we, uh, help. Uhh.", 3),
        ("It is, you know, new.", 1),
        ("Do you know the price?", 0),
        ("I like it. What kind of orders?", 0),
        ("It was, like, late, I mean, too late.", 2),
        ("Mm-hm. Her error, umbrella, hummus.", 0),
        ("So, basically, it works.", 2),
        ("You are right.", 0),
    ],
)
def test_english_fillers(text, count):
    assert count_fillers(text, "en") == count


@pytest.mark.parametrize(
    ("language", "text", "count"),
    [
        ("es", "Eh, bueno, o sea, lo que queremos es un buen precio.", 3),
        ("de", "Ähm, wir haben, sozusagen, ein Problem. Er ist nicht da.", 2),
        ("fr", "Euh, en fait, nous avons, du coup, un problème.", 3),
        ("it", "Cioè, noi, diciamo, non abbiamo tempo.", 2),
        ("pt", "Então, nós, tipo, não temos tempo.", 2),
        ("nl", "Eh, wij hebben, zeg maar, geen tijd.", 2),
    ],
)
def test_fillers_of_other_languages(language, text, count):
    assert count_fillers(text, language) == count


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What do you use for the orders that we have to process?", "en"),
        ("¿Cómo gestiona usted los pedidos de la empresa y qué es lo que más les cuesta?", "es"),
        ("Wie haben Sie das bisher gelöst, und was ist für Sie wichtig?", "de"),
        ("Qu'est-ce que vous faites pour les commandes et qui est dans votre équipe ?", "fr"),
        ("Che cosa è importante per voi e come gestite gli ordini della ditta?", "it"),
        ("O que é importante para você e como fazem os pedidos da empresa?", "pt"),
        ("Wat is voor u het belangrijkste en hoe doet u dat met de orders?", "nl"),
        ("御社の課題は何ですか", None),
        ("Zxcv qwer", None),
        ("", None),
    ],
)
def test_the_language_is_guessed(text, language):
    assert guess_language(text) == language


def test_a_language_without_a_list_has_no_filler_count():
    metrics = measure(turns(("rep", "um um um", 0, 3)), 60, language="ja")
    assert (metrics.language, metrics.filler_words) == (None, None)


def test_every_filler_is_found_by_its_own_list():
    for language, fillers in FILLERS.items():
        for marker in fillers.markers:
            assert count_fillers(f"x, {marker}, y", language) == 1, (language, marker)


@pytest.mark.parametrize(
    ("text", "count"),
    [("don't stop", 2), ("well-known brand", 2), ("42 % of it", 3), ("価格は", 3), ("", 0)],
)
def test_words_are_counted_as_a_reader_does(text, count):
    assert count_words(text) == count


spoken = st.lists(
    st.builds(
        Utterance,
        st.sampled_from(["rep", "customer"]),
        st.sampled_from(["Why?", "um, like, well", "価格", "one two three.", "…"]),
        st.none() | st.floats(0, 100),
        st.none() | st.floats(0, 100),
    ),
    max_size=10,
)


@given(spoken, st.none() | st.floats())
def test_figures_stay_in_their_bounds_and_are_json(raw, duration):
    metrics = measure(clean(raw), duration)
    figures = json.loads(json.dumps(metrics.to_json(), allow_nan=False))
    assert figures["talk_ratio"] is None or 0 <= figures["talk_ratio"] <= 1
    assert all(v is None or v >= 0 for v in figures.values() if not isinstance(v, str))
