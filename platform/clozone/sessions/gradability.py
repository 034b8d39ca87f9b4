"""Whether a call can be graded at all. A call that is none gets a reason, never a score."""

import re
from collections.abc import Sequence
from enum import StrEnum

from clozone.sessions.timing import call_seconds
from clozone.sessions.transcript import Turn, count_words

SHORTEST_CALL_SECONDS = 15.0
FEWEST_WORDS = 30
FEWEST_REP_WORDS = 10
# A greeting machine says its piece in a few turns; a longer exchange is between people.
_LONGEST_MACHINE_EXCHANGE_TURNS = 4

# Vapi has over 600 ended reasons and adds more, so they are matched as text. A reason that reports
# a failure (of the voicemail detection, say) says nothing about who answered.
_FAILURE = re.compile(r"error|fault|fail")
_VOICEMAIL = re.compile(r"voice-?mail|answering-machine|machine-(?:detected|end|start)")
_NO_ANSWER = re.compile(
    r"did-not-answer|no-answer|not-answered|unanswered|\bbusy\b|\brejected\b|unreachable"
    r"|unavailable|failed-to-connect|not-found|did-not-give-microphone-permission"
    r"|did-not-receive-customer-audio|did-not-join|join-timed-out|cancell?ed-before|call-deleted"
)
_MACHINE_GREETING = re.compile(
    r"(?:after|at) the (?:tone|beep)|leave (?:me |us )?(?:a|your) (?:\w+ )?message"
    r"|(?:not|n't) (?:available|able) to (?:take|answer) (?:your|the) call"
    r"|reached (?:\w+ ){0,4}(?:voice ?mail|mailbox)"
    r"|después de(?:l tono| la señal)|deje (?:su|un) mensaje|buzón de voz"
    r"|nach dem (?:signal|piep)\w*|hinterlassen sie (?:eine|ihre) nachricht|mailbox von"
    r"|après le (?:bip|signal)|laissez(?:-\w+)? (?:un|votre) message|messagerie vocale"
    r"|dopo il (?:segnale|bip)|segreteria telefonica|após o (?:sinal|bip)|caixa postal"
    r"|na de (?:piep|toon)"
)


class NotGradable(StrEnum):
    """Why a call is not graded: the value is the code in the API, `sentence` is for people."""

    VOICEMAIL = "voicemail"
    NO_ANSWER = "no_answer"
    EMPTY_TRANSCRIPT = "empty_transcript"
    ONE_SIDED = "one_sided"
    TOO_SHORT = "too_short"

    @property
    def sentence(self) -> str:
        """One sentence that says what was missing."""
        return _SENTENCES[self]


_SENTENCES = {
    NotGradable.VOICEMAIL: "A voicemail answered, so there was no conversation to grade.",
    NotGradable.NO_ANSWER: "The call was never answered, so there was no conversation to grade.",
    NotGradable.EMPTY_TRANSCRIPT: "Nothing was said on the call, or nothing was transcribed.",
    NotGradable.ONE_SIDED: "Only one side spoke; grading needs both the rep and the customer.",
    NotGradable.TOO_SHORT: (
        f"The call is too short to grade: it needs {SHORTEST_CALL_SECONDS:.0f} seconds, "
        f"{FEWEST_WORDS} words in all and {FEWEST_REP_WORDS} by the rep."
    ),
}


def why_not_gradable(
    turns: Sequence[Turn], ended_reason: str | None, duration_seconds: float | None
) -> NotGradable | None:
    """The reason not to grade these cleaned turns, or None when they can be graded.

    `ended_reason` is Vapi's text, `duration_seconds` the call's length; both may be unknown.
    """
    reason = re.sub(r"[\s_.]+", "-", (ended_reason or "").lower())
    both_speak = {turn.speaker for turn in turns} == {"rep", "customer"}
    if _is_voicemail(turns, reason):
        return NotGradable.VOICEMAIL
    if not both_speak and _NO_ANSWER.search(reason):
        return NotGradable.NO_ANSWER
    if not turns:
        return NotGradable.EMPTY_TRANSCRIPT
    if not both_speak:
        return NotGradable.ONE_SIDED
    return NotGradable.TOO_SHORT if _is_too_short(turns, duration_seconds) else None


def _is_voicemail(turns: Sequence[Turn], reason: str) -> bool:
    if _VOICEMAIL.search(reason) and not _FAILURE.search(reason):
        return True
    return len(turns) <= _LONGEST_MACHINE_EXCHANGE_TURNS and any(
        _MACHINE_GREETING.search(turn.text.lower()) for turn in turns[:2]
    )


def _is_too_short(turns: Sequence[Turn], duration_seconds: float | None) -> bool:
    rep_words = sum(count_words(turn.text) for turn in turns if turn.speaker == "rep")
    all_words = sum(count_words(turn.text) for turn in turns)
    if all_words < FEWEST_WORDS or rep_words < FEWEST_REP_WORDS:
        return True
    seconds = call_seconds(turns, duration_seconds)
    return seconds is not None and seconds < SHORTEST_CALL_SECONDS
