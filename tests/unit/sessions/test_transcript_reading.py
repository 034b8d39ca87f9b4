"""Reading utterances from message lists and from text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clozone.sessions.transcript import Utterance
from clozone.sessions.transcript_text import from_text
from clozone.sessions.voice_messages import from_messages, speaker_of

STARTED_MS = 1_795_488_000_000


def pairs(utterances):
    return [(utterance.speaker, utterance.text) for utterance in utterances]


@pytest.mark.parametrize("role", ["user", "USER", " human "])
def test_the_human_is_the_rep(role):
    assert speaker_of(role) == "rep"


@pytest.mark.parametrize("role", ["bot", "assistant", "AI"])
def test_the_voice_agent_is_the_customer(role):
    assert speaker_of(role) == "customer"


@pytest.mark.parametrize(
    "role", ["system", "tool", "tool_calls", "tool_call_result", "", None, 7, []]
)
def test_nobody_else_speaks(role):
    assert speaker_of(role) is None


def test_system_and_tool_messages_are_left_out():
    messages = [
        {"role": "system", "message": "You are Dana."},
        {"role": "bot", "message": "Hello."},
        {"role": "tool_calls", "message": "", "toolCalls": []},
        {"role": "tool_call_result", "result": "42", "name": "price"},
        {"role": "user", "message": "Hi."},
    ]
    assert pairs(from_messages(messages)) == [("customer", "Hello."), ("rep", "Hi.")]


def test_seconds_from_start_win_over_the_clock():
    said = from_messages(
        [
            {
                "role": "bot",
                "message": "a",
                "secondsFromStart": 2.5,
                "time": STARTED_MS + 9000,
                "duration": 1390,
            }
        ]
    )
    assert said == [Utterance("customer", "a", 2.5, pytest.approx(3.89))]


def test_the_clock_alone_is_counted_from_the_start_of_the_call():
    messages = [
        {"role": "user", "message": "a", "time": STARTED_MS + 4000, "endTime": STARTED_MS + 5500}
    ]
    assert from_messages(messages, STARTED_MS) == [Utterance("rep", "a", 4.0, 5.5)]


def test_a_message_with_both_times_tells_when_the_call_started():
    messages = [
        {"role": "system", "message": "…", "time": STARTED_MS + 1000, "secondsFromStart": 1},
        {"role": "user", "message": "a", "time": STARTED_MS + 4000},
    ]
    assert from_messages(messages, STARTED_MS - 50_000)[0].start == 4.0


def test_without_a_start_the_earliest_message_is_it():
    messages = [
        {"role": "user", "message": "b", "time": STARTED_MS + 3000},
        {"role": "bot", "message": "a", "time": STARTED_MS + 1000},
    ]
    assert [said.start for said in from_messages(messages)] == [2.0, 0.0]


def test_clocks_that_disagree_a_little_do_not_cost_the_time():
    messages = [{"role": "user", "message": "a", "time": STARTED_MS - 300}]
    assert from_messages(messages, STARTED_MS)[0].start == 0.0


def test_the_openai_shape_may_split_its_content():
    content = [
        {"type": "text", "text": "Hello"},
        {"type": "image_url"},
        {"type": "text", "text": "there."},
    ]
    messages = [{"role": "assistant", "content": content}, {"role": "user", "content": None}]
    assert pairs(from_messages(messages)) == [("customer", "Hello there.")]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
message_like = st.dictionaries(
    st.sampled_from(
        ["role", "message", "content", "time", "endTime", "secondsFromStart", "duration", "text"]
    ),
    json_values | st.sampled_from(["user", "bot"]) | st.just(10**400),
)


@given(json_values | st.lists(message_like | json_values, max_size=5), st.none() | st.floats())
def test_reading_messages_never_raises(messages, started):
    for utterance in from_messages(messages, started if started == started else None):
        assert utterance.text


def test_vapi_text_is_split_by_role():
    text = "AI: Hello, Dana speaking.\nUser: Hi Dana,\nthis is Sam.\n\nAI: Note: we are busy.\n"
    assert pairs(from_text(text)) == [
        ("customer", "Hello, Dana speaking."),
        ("rep", "Hi Dana, this is Sam."),
        ("customer", "Note: we are busy."),
    ]


def test_a_line_that_looks_labelled_stays_speech_when_the_roles_are_known():
    text = "AI: Two things.\nPrice: too high.\nUser: I see."
    assert pairs(from_text(text)) == [
        ("customer", "Two things. Price: too high."),
        ("rep", "I see."),
    ]


def test_the_assistants_name_marks_the_customer():
    text = "Sam: Hi, is this Dana?\nDana: Speaking.\nSam: Great."
    assert [s for s, _ in pairs(from_text(text, "Dana - VP Ops"))] == ["rep", "customer", "rep"]


def test_between_unknown_names_the_first_to_speak_is_the_customer():
    text = "Dana: Hello?\nSam: Hi.\nDana: Yes?"
    assert [s for s, _ in pairs(from_text(text))] == ["customer", "rep", "customer"]


def test_one_known_label_tells_the_other():
    assert [s for s, _ in pairs(from_text("Sam: Hi.\nCustomer: Yes?"))] == ["rep", "customer"]


def test_clock_times_and_bold_before_the_label_are_skipped():
    text = "[00:01] AI: Hello.\n(0:00:03) User: Hi.\n00:05 - AI: At\n10:30 then?\n**User:** Fine."
    assert pairs(from_text(text)) == [
        ("customer", "Hello."),
        ("rep", "Hi."),
        ("customer", "At 10:30 then?"),
        ("rep", "Fine."),
    ]


@pytest.mark.parametrize(
    "text", ["", "\n \n", "Just words, nobody named.", "https://example.org/a"]
)
def test_a_text_without_speakers_gives_nothing(text):
    assert from_text(text) == []


@given(
    st.text(max_size=80) | st.from_regex(r"([\w :*\[\]]{0,9}:? ?[\w ]{0,6}\n){0,6}"),
    st.none() | st.text(max_size=8),
)
def test_reading_text_never_raises(text, name):
    assert all(utterance.text.strip() for utterance in from_text(text, name))
