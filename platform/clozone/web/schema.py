"""Bases of the models that describe our JSON."""

from pydantic import BaseModel, ConfigDict


class RequestModel(BaseModel):
    """A body or a query. Unknown fields are refused, so a misspelt one is never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ResponseModel(BaseModel):
    """An answer. Built from any object with these attributes, for instance a service's dataclass."""

    model_config = ConfigDict(
        from_attributes=True,
        frozen=True,
        json_schema_serialization_defaults_required=True,  # an answer leaves nothing out
    )
