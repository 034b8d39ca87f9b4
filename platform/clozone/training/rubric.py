"""The rubric: what a call is graded against, as a manager writes it."""

import hashlib
import json
from typing import Annotated, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictInt,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

MAX_CRITERIA = 20
MAX_ITEMS = 12
MAX_EXAMPLES = 20


def _printable(text: str) -> str:
    if any(character < " " and character not in "\t\n" for character in text):
        raise PydanticCustomError(
            "control_characters", "Holds control characters; write plain text."
        )
    return text


Key = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,40}$")]
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=120),
    AfterValidator(_printable),
]
Sentence = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=300),
    AfterValidator(_printable),
]
Description = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=2000), AfterValidator(_printable)
]
Examples = Annotated[tuple[Sentence, ...], Field(max_length=MAX_EXAMPLES)]
Weight = Annotated[StrictInt, Field(ge=0, le=100)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ChecklistItem(_Part):
    """One thing the rep should do; `examples` are ways to say it."""

    key: Key
    text: Sentence
    examples: Examples = ()


class _Criterion(_Part):
    key: Key
    name: Name
    description: Description = ""

    @property
    def item_keys(self) -> tuple[str, ...]:
        """The keys under which findings are made: the items', or else the criterion's own."""
        return (self.key,)


class ChecklistCriterion(_Criterion):
    """Earns its weight by the share of its items that were observed."""

    kind: Literal["checklist"]
    weight: Weight
    items: Annotated[tuple[ChecklistItem, ...], Field(min_length=1, max_length=MAX_ITEMS)]

    @property
    def item_keys(self) -> tuple[str, ...]:
        """The items' keys, in the rubric's order."""
        return tuple(item.key for item in self.items)

    @model_validator(mode="after")
    def _unique_items(self) -> Self:
        _refuse_duplicates(self.item_keys, f"items of the criterion {self.key!r}")
        return self


class ScaleCriterion(_Criterion):
    """Earns (level - 1) / 9 of its weight; a level is 1 to 10."""

    kind: Literal["scale"]
    weight: Weight
    examples: Examples = ()


class YesNoCriterion(_Criterion):
    """Earns all of its weight, or none of it."""

    kind: Literal["yes_no"]
    weight: Weight
    examples: Examples = ()


class ComplianceCriterion(_Criterion):
    """Earns nothing; when it is violated the call fails whatever the score."""

    kind: Literal["compliance"]
    weight: Literal[0] = 0
    rule: Literal["must_say", "must_not_say"]
    examples: Examples = ()


Criterion = Annotated[
    ChecklistCriterion | ScaleCriterion | YesNoCriterion | ComplianceCriterion,
    Field(discriminator="kind"),
]


class Rubric(_Part):
    """Criteria whose weights sum to 100, and the score at which a call passes."""

    total_weight: ClassVar[int] = 100

    pass_score: Annotated[StrictInt, Field(ge=0, le=100)]
    criteria: Annotated[tuple[Criterion, ...], Field(min_length=1, max_length=MAX_CRITERIA)]

    @model_validator(mode="after")
    def _unique_keys(self) -> Self:
        _refuse_duplicates([criterion.key for criterion in self.criteria], "criteria")
        return self

    @model_validator(mode="after")
    def _weights_sum_to_100(self) -> Self:
        total = sum(criterion.weight for criterion in self.criteria)
        if total != self.total_weight:
            raise PydanticCustomError(
                "weights_sum",
                "The weights of the criteria must sum to 100; they sum to {total}.",
                {"total": total},
            )
        return self

    def content_hash(self) -> bytes:
        """SHA-256 of everything that is in the rubric; equal exactly for equal rubrics."""
        canonical = json.dumps(
            self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False, separators=(",", ":")
        )
        return hashlib.sha256(canonical.encode()).digest()


def _refuse_duplicates(keys: tuple[str, ...] | list[str], what: str) -> None:
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise PydanticCustomError(
            "duplicate_keys",
            "The keys of the {what} must be unique; used more than once: {keys}.",
            {"what": what, "keys": ", ".join(twice)},
        )
