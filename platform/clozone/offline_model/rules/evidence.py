"""The whole answer to a request for evidence."""

from collections.abc import Sequence
from typing import Any

from clozone.offline_model.rules import coaching
from clozone.offline_model.rules.findings import criterion_json, items_of
from clozone.offline_model.rules.language import language_of
from clozone.offline_model.rules.phrasebook import phrasebook
from clozone.offline_model.rules.prompt_reader import read_prompt

SCHEMA_NAME = "call_evidence"


def evidence(texts: Sequence[str]) -> dict[str, Any]:
    """Evidence for the call in a prompt, whose messages' texts are given in order.

    The same prompt always gives the same evidence. Raises UnreadablePrompt.
    """
    call = read_prompt(texts)
    sentences = call.rep_sentences
    spoken = " ".join(turn.text for turn in call.rep_turns)
    language = language_of(spoken, (word for s in sentences for word in s.words))
    book = phrasebook(language)
    found = [(criterion["key"], items_of(criterion, sentences)) for criterion in call.criteria]
    items = [item for _, part in found for item in part]
    return {
        "language": language,
        "summary": coaching.summary(call, items, book),
        "criteria": [criterion_json(key, part, book) for key, part in found],
        "strengths": coaching.strengths(items),
        "next_steps": coaching.next_steps(items, language, book),
        "better_lines": coaching.better_lines(call, items, language, book),
    }
