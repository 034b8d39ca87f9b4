"""Utterances from a transcript that is one text, each line led by who speaks."""

import re
from collections import Counter

from clozone.sessions.transcript import Speaker, Utterance, tidy
from clozone.sessions.voice_messages import speaker_of

_LONGEST_NAME_WORDS = 5
# "[00:12]", "(1:02:03)" or "00:12 -" before the label.
_CLOCK = re.compile(
    r"^\s*(?:[\[(]\d{1,2}(?::\d{2}){1,2}(?:\.\d+)?[\])]|\d{1,2}(?::\d{2}){1,2}\b)[\s:–-]*"
)
_LABELLED = re.compile(
    r"^\s*\**(?P<label>[^\s:*][^:\n*]{0,59}?)\**\s*[:：]\**(?=\s|$)\s*(?P<said>.*)$"
)


def from_text(text: str, customer_name: str | None = None) -> list[Utterance]:
    """Read a text such as "AI: Hello.\\nUser: Hi." into utterances without times.

    Labels are roles (AI, Assistant, Bot, Customer; User, Human, Rep) or names. With names,
    `customer_name` (the assistant's; its first word suffices) marks the customer, and the most
    frequent other label the rep; when it does not occur, the first to speak is the customer, because
    Vapi's assistants open the call unless told otherwise. Any other line continues the one before.
    A text without any label has no known speaker and gives nothing.
    """
    lines = [_split(line) for line in text.splitlines() if line.strip()]
    labels = [label for label, _ in lines if label]
    speakers = _speakers_by_label(labels, tidy(customer_name or "").casefold())
    said: list[tuple[Speaker, list[str]]] = []
    for label, words in lines:
        if label and label.casefold() in speakers:
            said.append((speakers[label.casefold()], [words]))
        elif said:
            said[-1][1].append(f"{label}: {words}" if label else words)
    spoken = ((speaker, " ".join(parts).strip()) for speaker, parts in said)
    return [Utterance(speaker, text) for speaker, text in spoken if text]


def _split(line: str) -> tuple[str | None, str]:
    found = _LABELLED.match(_CLOCK.sub("", line))
    if not found or len(found["label"].split()) > _LONGEST_NAME_WORDS:
        return None, line.strip()
    return tidy(found["label"]), found["said"]


def _speakers_by_label(labels: list[str], customer: str) -> dict[str, Speaker]:
    """Which labels are speakers: roles and known names first, so that "Note: …" stays speech."""
    folded = [label.casefold() for label in labels]
    known: dict[str, Speaker] = {}
    for label in folded:
        speaker = "customer" if _names(customer, label) else speaker_of(label)
        if speaker:
            known[label] = speaker
    if set(known.values()) == {"rep", "customer"}:
        return known
    others = [label for label, _ in Counter(folded).most_common() if label not in known]
    if known:
        other: Speaker = "rep" if "customer" in known.values() else "customer"
        return known | dict.fromkeys(others[:1], other)
    first_to_speak = sorted(others[:2], key=folded.index)
    return dict(zip(first_to_speak, ("customer", "rep"), strict=False))


def _names(customer: str, label: str) -> bool:
    """Whether the label is the customer's name: "Dana" for an assistant called "Dana - VP Ops"."""
    return bool(customer) and (label == customer or label == re.split(r"\W+", customer)[0])
