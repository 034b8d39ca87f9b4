"""The written material of the demonstration, read from the package's own files."""

import json
from importlib.resources import files
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, model_validator

from clozone.demo.long_call import LongCall, SpokenTurn, expand


class _Content(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DemoTemplate(_Content):
    """A practice scenario. `rubric` has the form that clozone.training validates."""

    key: str
    name: str
    description: str
    scenario: str
    first_message: str
    rubric: dict[str, Any]


class Expected(_Content):
    """How a call should end: a score within bounds, or the reason for none.

    `passed` is None where either verdict is fair. `blockers` are the keys of broken rules.
    """

    status: Literal["completed", "not_gradable"]
    score: tuple[int, int] | None = None
    passed: bool | None = None
    blockers: tuple[str, ...] = ()
    reason: str | None = None

    @model_validator(mode="after")
    def _is_one_or_the_other(self) -> "Expected":
        if self.status == "completed" and (self.score is None or self.reason is not None):
            raise ValueError("a completed call expects a score range and no reason")
        if self.status == "not_gradable" and (self.reason is None or self.score is not None):
            raise ValueError("a call that is not gradable expects a reason and no score")
        return self


class Payload(_Content):
    """In which of the shapes met in the field Vapi reports this call."""

    call_id: bool = True
    metadata: Literal["overrides", "call"] = "overrides"
    depth: Literal["artifact", "message"] = "artifact"
    transcript: bool = True
    messages: bool = True
    bot_role: Literal["bot", "assistant"] = "bot"
    costs: Literal["list", "breakdown", "total"] = "list"
    speaker_names: tuple[str, str] = ("AI", "User")


class Delivery(_Content):
    """One webhook. `status` belongs to status updates; `turns` is how far the talk has come."""

    type: Literal[
        "assistant.started",
        "conversation-update",
        "end-of-call-report",
        "hang",
        "speech-update",
        "status-update",
        "user-interrupted",
    ]
    status: Literal["queued", "ringing", "in-progress", "ended"] | None = None
    turns: NonNegativeInt | None = None

    @model_validator(mode="after")
    def _status_belongs_to_status_updates(self) -> "Delivery":
        if (self.status is not None) != (self.type == "status-update"):
            raise ValueError("a status update, and nothing else, carries a status")
        return self


class DemoTurn(_Content):
    """What one side said, with its times in seconds from the start of the call."""

    speaker: Literal["rep", "customer"]
    text: str = Field(min_length=1)
    start: NonNegativeFloat
    end: NonNegativeFloat


class DemoCall(_Content):
    """A practice call, how Vapi reports it, and how it should end.

    `key` is the file's name, `template` a DemoTemplate's key, `rep` the account that calls (`rep`
    or `rep_2`), `generated` the material of a call too long to write out; its turns follow from it.
    """

    key: str
    title: str
    template: str
    rep: Literal["rep", "rep_2"]
    language: str
    mood: str
    ended_reason: str
    expected: Expected
    payload: Payload = Payload()
    deliveries: tuple[Delivery, ...] = Field(min_length=1)
    turns: tuple[DemoTurn, ...] = ()
    generated: LongCall | None = None

    @property
    def duration_seconds(self) -> float:
        """Length of the call: the last word, and a moment to hang up."""
        return max((turn.end for turn in self.turns), default=0.0) + 1.2


def demo_templates() -> list[DemoTemplate]:
    """The three practice scenarios, in the order of their keys."""
    return [DemoTemplate.model_validate(body) for _, body in _read("templates")]


def demo_calls() -> list[DemoCall]:
    """The written calls, in the order of their numbers."""
    return [_call(key, body) for key, body in _read("calls")]


def _call(key: str, body: dict[str, Any]) -> DemoCall:
    call = DemoCall.model_validate({"key": key, **body})
    if call.generated is None:
        return call
    return call.model_copy(update={"turns": tuple(map(_turn, expand(call.generated)))})


def _turn(spoken: SpokenTurn) -> DemoTurn:
    return DemoTurn(speaker=spoken.speaker, text=spoken.text, start=spoken.start, end=spoken.end)


def _read(folder: str) -> list[tuple[str, dict[str, Any]]]:
    found = (files("clozone.demo") / folder).iterdir()
    named = sorted((file.name.removesuffix(".json"), file) for file in found)
    return [(name, json.loads(file.read_text("utf-8"))) for name, file in named]
