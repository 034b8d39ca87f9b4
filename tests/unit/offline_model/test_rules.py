"""Each rule of docs/offline-model.md, with a sentence that meets it and one that does not."""

import json
from typing import Any

import pytest

from clozone.offline_model.rules.evidence import evidence
from clozone.offline_model.rules.language import language_of
from clozone.offline_model.rules.matching import matches, utterances
from clozone.offline_model.rules.prompt_reader import UnreadablePrompt, read_prompt
from clozone.offline_model.rules.words import Sentence, sentences_of, stem, words_of


def rule_for(sentence: str, *examples: str, text: str | None = None) -> int | None:
    found = matches([Sentence(0, sentence)], examples, text)
    return found[0].rule if found else None


@pytest.mark.parametrize(
    ("sentence", "example"),
    [
        ("So, what is your budget?", "what is your budget"),
        ("WHAT’S YOUR BUDGET?", "what's your budget"),
        ("What is, roughly speaking, your budget?", "what is your budget"),
        ("Would Friday at ten suit you?", "would tuesday at"),
        ("¿Qué presupuesto tienen?", "qué presupuesto"),
        ("请问你们的预算是多少？", "预算是多少"),
    ],
)
def test_rule_1_the_words_of_an_example_in_order(sentence: str, example: str) -> None:
    assert rule_for(sentence, example) == 1


@pytest.mark.parametrize(
    ("sentence", "example"),
    [
        ("Your budget, what is it?", "what is your"),
        ("What is it that you would call your plan?", "what is your plan"),
        ("The budgets are frozen.", "budget"),
    ],
)
def test_rule_1_other_order_or_too_far_apart(sentence: str, example: str) -> None:
    assert rule_for(sentence, example) != 1


def test_rule_2_two_thirds_of_an_example_s_stems() -> None:
    example = "how many hours does picking waste weekly"
    assert rule_for("You waste hours when picking.", example) == 2
    assert rule_for("You waste time when packing.", example) is None


def test_rule_2_needs_two_stems() -> None:
    assert rule_for("Budgets are a topic.", "the budget") is None


def test_rule_3_the_text_of_an_item() -> None:
    assert rule_for("Is there a budget for it?", text="Asks about the budget") == 3
    assert rule_for("We keep prices stable.", text="Mentions stable prices") == 3


def test_rule_3_what_is_asked_must_be_a_question() -> None:
    assert rule_for("There is a budget for it.", text="Asks about the budget") is None


def test_the_strongest_rule_comes_first() -> None:
    said = sentences_of(0, "Is there a budget? What is your budget?")
    found = matches(said, ["what is your budget"], "Asks about the budget")
    assert [match.rule for match in found] == [1, 3]


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("We guarantee a return.", True),
        ("We can guarantee a return.", True),
        ("We cannot guarantee a return.", False),
        ("Nobody here said we guarantee it.", False),
        ("We never ever guarantee a return.", False),
        ("A guarantee is what we sell.", False),
    ],
)
def test_forbidden_words_count_unless_denied(sentence: str, said: bool) -> None:
    assert bool(utterances([Sentence(0, sentence)], ["we guarantee"])) is said


def test_words_stems_and_sentences() -> None:
    assert words_of("Don’t MOVE—it's Tuesday!") == ("dont", "move", "its", "weekday")
    assert stem("decided") == "decid"
    assert stem("budgets") == stem("budget") == "budget"
    assert stem("presupuestos") == stem("presupuesto")
    assert [s.text for s in sentences_of(3, "One. Two?  Three… 四。五")] == [
        "One.",
        "Two?",
        "Three…",
        "四。",
        "五",
    ]


def test_a_long_sentence_is_quoted_up_to_a_space() -> None:
    sentence = Sentence(0, "word " * 100)
    assert len(sentence.quote) <= 240
    assert sentence.text.startswith(sentence.quote)
    assert sentence.quote.endswith("word")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("So what is it that you do, and who decides?", "en"),
        ("¿Y qué presupuesto tienen para este año?", "es"),
        ("Was kostet Sie das, und wer entscheidet bei Ihnen?", "de"),
        ("Quel est votre budget et qui décide chez vous ?", "fr"),
        ("Qual é o orçamento que vocês têm para isso?", "pt"),
        ("Qual è il budget che avete per questo?", "it"),
        ("Wat is het budget dat u daar voor heeft?", "nl"),
        ("Какой у вас бюджет?", "ru"),
        ("ご予算はいくらでしょうか", "ja"),
        ("你们的预算是多少", "zh"),
        ("예산이 얼마입니까", "ko"),
        ("ما هي ميزانيتك", "ar"),
        ("", "en"),
    ],
)
def test_the_language_is_told_by_script_or_stop_words(text: str, code: str) -> None:
    assert language_of(text, words_of(text)) == code


def ask(criteria: list[dict[str, Any]], *turns: tuple[str, str]) -> dict[str, Any]:
    lines = "\n".join(
        json.dumps({"turn": number, "speaker": who, "text": text})
        for number, (who, text) in enumerate(turns)
    )
    rubric = json.dumps({"criteria": criteria})
    return evidence(
        [
            f"Between <rubric> and </rubric> …\n<rubric>\n{rubric}\n</rubric>",
            f"<transcript>\n{lines}\n</transcript>",
        ]
    )


SCALE = {
    "key": "rapport",
    "name": "Rapport",
    "kind": "scale",
    "examples": ["I hear you", "fair enough", "that makes sense"],
}


@pytest.mark.parametrize(
    ("said", "level"),
    [
        ([], 1),
        (["I hear you."], 3),
        (["I hear you.", "I hear you."], 5),
        (["I hear you.", "Fair enough."], 7),
        (["I hear you.", "Fair enough.", "That makes sense."], 10),
        (["I hear you. Fair enough. That makes sense."], 7),
    ],
)
def test_a_level_follows_from_distinct_examples_and_turns(said: list[str], level: int) -> None:
    answer = ask([SCALE], *(("rep", text) for text in [*said, "Good morning."]))
    assert answer["criteria"][0]["level"] == level


def test_the_customer_s_words_are_no_evidence() -> None:
    answer = ask([SCALE], ("customer", "I hear you. Fair enough."), ("rep", "Well."))
    assert answer["criteria"][0] == {
        "key": "rapport",
        "level": 1,
        "findings": [
            {
                "item": "rapport",
                "observed": False,
                "quotes": [],
                "note": "No sentence of the rep shows this.",
            }
        ],
    }


def test_coaching_is_made_of_what_was_found_and_what_was_not() -> None:
    answer = ask(
        [
            {
                "key": "discovery",
                "name": "Discovery",
                "kind": "checklist",
                "items": [
                    {
                        "key": "budget",
                        "text": "Asks about the budget",
                        "examples": ["your budget"],
                    },
                    {"key": "timing", "text": "Asks about timing", "examples": ["by when"]},
                ],
            },
            {
                "key": "honest",
                "name": "Honest claims",
                "kind": "compliance",
                "rule": "must_not_say",
                "examples": ["we guarantee"],
            },
        ],
        ("rep", "What is your budget?"),
        ("customer", "Ten."),
        ("rep", "Hm. We have got seven modules and a dashboard. Right."),
        ("rep", "We guarantee it works."),
    )
    assert answer["strengths"] == ["Asks about the budget: “What is your budget?”"]
    assert answer["next_steps"] == [
        "Leave this out: “We guarantee it works.” (Honest claims).",
        "Next call: Asks about timing. Something like “by when”.",
    ]
    assert answer["better_lines"] == [
        {
            "turn": 2,
            "said": "We have got seven modules and a dashboard.",
            "better": "Something like: “by when …”",
        },
        {
            "turn": 3,
            "said": "We guarantee it works.",
            "better": "I cannot promise that; what I can do is tell you what we know.",
        },
    ]
    assert answer["summary"] == (
        "The rep spoke in 3 of 4 turns; 1 of 3 points were found: Asks about the budget. "
        "Not found: Asks about timing; Honest claims."
    )


def test_advice_is_in_the_call_s_language_with_an_example_of_it() -> None:
    answer = ask(
        [SCALE | {"kind": "yes_no", "examples": ["I hear you", "ich höre Sie und verstehe das"]}],
        ("rep", "Guten Tag, wir haben da etwas für Sie, und das ist nicht teuer."),
    )
    assert answer["language"] == "de"
    assert answer["next_steps"] == [
        "Nächstes Gespräch: Rapport. Etwa „ich höre Sie und verstehe das“."
    ]


@pytest.mark.parametrize(
    "texts",
    [
        [],
        ["<rubric>\n{}\n</rubric>"],
        ["<rubric>\n{}\n</rubric>", "<transcript>\n</transcript>"],
        ['<rubric>\n{"criteria":[]}\n</rubric>', "<transcript>\nno json\n</transcript>"],
        ['<rubric>\n{"criteria":[{"key":1}]}\n</rubric>', "<transcript>\n\n</transcript>"],
        [
            '<rubric>\n{"criteria":[{"key":"a","name":"a","kind":"scale","examples":[1]}]}\n</rubric>',
            "<transcript>\n\n</transcript>",
        ],
    ],
)
def test_a_prompt_of_another_form_is_refused(texts: list[str]) -> None:
    with pytest.raises(UnreadablePrompt):
        read_prompt(texts)
