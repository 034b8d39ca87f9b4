"""One rubric with every kind of criterion, and a short call, for the grading core."""

import pytest

from clozone.sessions.transcript import Turn
from clozone.training.rubric import Rubric


@pytest.fixture
def rubric() -> Rubric:
    return Rubric.model_validate(
        {
            "pass_score": 70,
            "criteria": [
                {
                    "key": "discovery",
                    "name": "Discovery",
                    "kind": "checklist",
                    "weight": 50,
                    "items": [
                        {"key": "budget", "text": "Asks about the budget"},
                        {"key": "timing", "text": "Asks about the timing"},
                        {"key": "decider", "text": "Asks who decides"},
                    ],
                },
                {"key": "rapport", "name": "Rapport", "kind": "scale", "weight": 30},
                {"key": "next_step", "name": "Next step", "kind": "yes_no", "weight": 20},
                {
                    "key": "no_guarantee",
                    "name": "No guarantees",
                    "kind": "compliance",
                    "rule": "must_not_say",
                    "examples": ["we guarantee"],
                },
                {
                    "key": "recording",
                    "name": "Tells that the call is recorded",
                    "kind": "compliance",
                    "rule": "must_say",
                    "examples": ["this call is recorded"],
                },
            ],
        }
    )


@pytest.fixture
def turns() -> list[Turn]:
    return [
        Turn(0, "rep", "Hi, this is Ana. Just so you know, this call is recorded.", 0.0, 4.0),
        Turn(1, "customer", "Fine. We have a budget of ten thousand.", 4.5, 7.0),
        Turn(2, "rep", "What’s your budget, and who decides?", 8.0, 10.5),
        Turn(3, "customer", "My boss decides.", 11.0, 12.0),
        Turn(4, "rep", "I hear you. Let's meet on Tuesday at ten.", 12.5, 15.0),
        Turn(5, "rep", "We guarantee double the revenue!", 15.5, 17.0),
    ]
