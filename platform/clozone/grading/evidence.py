"""What the model may answer: evidence per criterion, as strict JSON. Never a score."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from clozone.training.rubric import Rubric

SCHEMA_NAME = "call_evidence"


# PostgreSQL stores no NUL in text or jsonb.
Text = Annotated[str, AfterValidator(lambda text: text.replace("\0", ""))]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Quote(_Part):
    """Words of the transcript and the number of the turn they are in, both as the model says."""

    turn: int
    text: Text


class Finding(_Part):
    """Whether one item was observed, and the words that show it.

    `item` is the key of a checklist's item, else the criterion's own key. For a compliance
    criterion that must not be said, `observed` means that the forbidden thing was said.
    """

    item: Text
    observed: bool
    quotes: tuple[Quote, ...]
    note: Text


class CriterionEvidence(_Part):
    """The findings of one criterion; `level` is for scales only."""

    key: Text
    level: Annotated[int, Field(ge=1, le=10)] | None
    findings: tuple[Finding, ...]


class BetterLine(_Part):
    """A weak moment of the rep, and what could have been said instead."""

    turn: int
    said: Text
    better: Text


class Evidence(_Part):
    """All that the model tells about a call. `language` is an ISO 639-1 code."""

    language: Text
    summary: Text
    criteria: tuple[CriterionEvidence, ...]
    strengths: tuple[Text, ...]
    next_steps: tuple[Text, ...]
    better_lines: tuple[BetterLine, ...]


class UnreadableEvidence(ValueError):
    """An answer that is not evidence. `problems` say why, without quoting the answer."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def response_format() -> dict[str, Any]:
    """The `response_format` of the request: a strict JSON schema made from the types above."""
    schema = _without_titles(Evidence.model_json_schema())
    return {
        "type": "json_schema",
        "json_schema": {"name": SCHEMA_NAME, "strict": True, "schema": schema},
    }


def parse(answer: str) -> Evidence:
    """Read the model's answer. Raises UnreadableEvidence with every reason at once."""
    try:
        return Evidence.model_validate_json(answer, strict=True)
    except ValidationError as error:
        raise UnreadableEvidence(
            tuple(
                f"{_path(problem['loc'])}: {problem['msg']}"
                for problem in error.errors(include_url=False, include_input=False)
            )
        ) from None


def gaps(evidence: Evidence, rubric: Rubric) -> tuple[str, ...]:
    """What the evidence leaves out of the rubric, or adds to it, one sentence each."""
    given = {criterion.key: criterion for criterion in evidence.criteria}
    known = {criterion.key for criterion in rubric.criteria}
    problems = [
        f"There is no criterion {key!r} in the rubric." for key in given if key not in known
    ]
    for criterion in rubric.criteria:
        answer = given.get(criterion.key)
        if answer is None:
            problems.append(f"The criterion {criterion.key!r} is missing.")
            continue
        found = {finding.item for finding in answer.findings}
        problems += [
            f"The criterion {criterion.key!r} has no finding for {key!r}."
            for key in criterion.item_keys
            if key not in found
        ]
        if criterion.kind == "scale" and answer.level is None:
            problems.append(f"The criterion {criterion.key!r} is a scale and has no level.")
    return tuple(problems)


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "answer"


def _without_titles(schema: Any) -> Any:
    """Drop pydantic's titles and descriptions: they are paid for in every request."""
    if isinstance(schema, list):
        return [_without_titles(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: _without_titles(part) for name, part in value.items()}
        if key in {"properties", "$defs"}
        else _without_titles(value)
        for key, value in schema.items()
        if key not in {"title", "description"}
    }
