"""Which calls are none."""

import pytest

from clozone.sessions.gradability import NotGradable, why_not_gradable
from clozone.sessions.transcript import Turn

LONG = "We help teams like yours to process their orders in half the time, every single week of the year."


def conversation(*said):
    return [Turn(i, speaker, text) for i, (speaker, text) in enumerate(said)]


GOOD = conversation(
    ("customer", "Hello, Dana speaking."), ("rep", LONG), ("customer", LONG), ("rep", LONG)
)


@pytest.mark.parametrize(
    "reason",
    [
        None,
        "customer-ended-call",
        "silence-timed-out",
        "exceeded-max-duration",
        "assistant-said-end-call-phrase",
    ],
)
def test_a_conversation_can_be_graded(reason):
    assert why_not_gradable(GOOD, reason, 120.0) is None
    assert why_not_gradable(GOOD, reason, None) is None


@pytest.mark.parametrize(
    "reason",
    [
        "voicemail",
        "Voicemail",
        "customer-reached-voice-mail",
        "machine_detected",
        "answering machine",
    ],
)
def test_voicemail_by_its_reason(reason):
    assert why_not_gradable(GOOD, reason, 120.0) is NotGradable.VOICEMAIL
    assert why_not_gradable([], reason, None) is NotGradable.VOICEMAIL


def test_a_failure_of_the_voicemail_detection_is_no_voicemail():
    assert (
        why_not_gradable(GOOD, "call.in-progress.error-voicemail-detection-failed", 120.0) is None
    )


@pytest.mark.parametrize(
    "greeting",
    [
        "Hi, you've reached Dana. Please leave a message after the tone.",
        "You have reached the voicemail of 555 0100.",
        "Ha llamado a Ana. Deje su mensaje después de la señal.",
        "Bitte hinterlassen Sie eine Nachricht nach dem Signalton.",
        "Laissez un message après le bip.",
    ],
)
def test_voicemail_by_its_greeting(greeting):
    call = conversation(("rep", greeting), ("customer", LONG))
    assert why_not_gradable(call, "customer-ended-call", 40.0) is NotGradable.VOICEMAIL


def test_talking_about_messages_in_a_conversation_is_no_voicemail():
    call = conversation(
        ("customer", "Hello?"),
        ("rep", "I did leave a message after the tone, twice."),
        ("customer", LONG),
        ("rep", LONG),
        ("customer", LONG),
    )
    assert why_not_gradable(call, None, 90.0) is None


@pytest.mark.parametrize(
    "reason",
    [
        "customer-did-not-answer",
        "customer-busy",
        "twilio-failed-to-connect-call",
        "call.ringing.sip-inbound-caller-hungup-no-answer",
        "customer-did-not-give-microphone-permission",
        "assistant-join-timed-out",
    ],
)
def test_nobody_answered(reason):
    assert why_not_gradable([], reason, 0.0) is NotGradable.NO_ANSWER
    only_agent = conversation(("customer", "Hello? Anybody there?"))
    assert why_not_gradable(only_agent, reason, 12.0) is NotGradable.NO_ANSWER


def test_a_conversation_counts_more_than_an_odd_reason():
    assert why_not_gradable(GOOD, "customer-busy", 120.0) is None


def test_an_empty_transcript():
    assert why_not_gradable([], "customer-ended-call", 30.0) is NotGradable.EMPTY_TRANSCRIPT
    assert why_not_gradable([], None, None) is NotGradable.EMPTY_TRANSCRIPT


@pytest.mark.parametrize("speaker", ["rep", "customer"])
def test_one_side_alone(speaker):
    call = conversation((speaker, LONG), (speaker, LONG))
    assert why_not_gradable(call, "customer-ended-call", 60.0) is NotGradable.ONE_SIDED


def test_a_few_words_are_too_short():
    call = conversation(("customer", "Hello?"), ("rep", "Sorry, wrong number."))
    assert why_not_gradable(call, "customer-ended-call", 60.0) is NotGradable.TOO_SHORT


def test_a_rep_who_hardly_speaks_is_too_short():
    call = conversation(("customer", LONG), ("rep", "Yes."), ("customer", LONG))
    assert why_not_gradable(call, None, 60.0) is NotGradable.TOO_SHORT


def test_a_call_of_seconds_is_too_short():
    assert why_not_gradable(GOOD, None, 9.0) is NotGradable.TOO_SHORT
    assert why_not_gradable(GOOD, None, 15.0) is None


def test_a_duration_of_zero_is_unknown():
    assert why_not_gradable(GOOD, None, 0.0) is None


def test_every_reason_has_its_code_and_its_sentence():
    assert NotGradable.ONE_SIDED == "one_sided"
    sentences = {reason.sentence for reason in NotGradable}
    assert len(sentences) == len(NotGradable)
    assert all(sentence.endswith(".") for sentence in sentences)
