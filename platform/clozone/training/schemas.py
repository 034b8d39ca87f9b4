"""What requests and answers about templates and assignments look like."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from clozone.accounts.fields import Moment, Name, unchanged
from clozone.kit.pagination import PageQuery
from clozone.training.rubric import Rubric
from clozone.web.schema import RequestModel, ResponseModel

Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2_000)]
Scenario = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000)]
VapiId = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Score = Annotated[int, Field(ge=0, le=100)]


class NewTemplate(RequestModel):
    """A practice scenario and the rubric its calls are graded against."""

    name: Name
    description: Text = ""
    scenario: Scenario
    first_message: Text = ""
    vapi_assistant_id: VapiId | None = None
    rubric: Rubric


class TemplateChange(RequestModel):
    """What to change of a template; what is left out stays."""

    name: Name = Field(default_factory=unchanged)
    description: Text = Field(default_factory=unchanged)
    scenario: Scenario = Field(default_factory=unchanged)
    first_message: Text = Field(default_factory=unchanged)
    vapi_assistant_id: VapiId | None = None
    rubric: Rubric = Field(default_factory=unchanged)


class TemplateFilter(PageQuery):
    """Which templates to list."""

    created_by: UUID | None = None
    archived: bool = Field(False, description="List the archived ones instead.")


class TemplateSummary(ResponseModel):
    """A template in a list."""

    id: UUID
    name: str
    description: str
    rubric_id: UUID
    rubric_version: int
    created_by: UUID
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


class TemplateAnswer(TemplateSummary):
    """A template with its current rubric."""

    scenario: str
    first_message: str
    vapi_assistant_id: str | None
    rubric: Rubric


class NewAssignment(RequestModel):
    """Ask a person to practise a template. Without a title it is called like the template."""

    template_id: UUID
    user_id: UUID
    title: Name | None = None
    instructions: Text = ""
    due_at: Moment | None = None
    target_score: Score | None = None


class AssignmentChange(RequestModel):
    """What to change of an assignment; what is left out stays."""

    title: Name = Field(default_factory=unchanged)
    instructions: Text = Field(default_factory=unchanged)
    due_at: Moment | None = None
    target_score: Score | None = None


class AssignmentFilter(PageQuery):
    """Which assignments to list."""

    user_id: UUID | None = None
    template_id: UUID | None = None
    archived: bool = Field(False, description="List the archived ones instead.")


class AssignmentAnswer(ResponseModel):
    """An assignment, with the names to show."""

    id: UUID
    template_id: UUID
    template_name: str
    user_id: UUID
    user_name: str
    created_by: UUID
    title: str
    instructions: str
    due_at: datetime | None
    target_score: int | None
    completed_at: datetime | None
    archived_at: datetime | None
    created_at: datetime
    updated_at: datetime
