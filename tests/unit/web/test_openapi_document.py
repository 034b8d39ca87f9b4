from datetime import datetime
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field
from quart import Blueprint, Quart

from clozone.kit.errors import Conflict
from clozone.web.identity import Role
from clozone.web.openapi import openapi_document
from clozone.web.operation import Raw, operation
from clozone.web.schema import RequestModel, ResponseModel


class Rubric(BaseModel):
    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    pass_score: int = 70


class NewThing(RequestModel):
    name: str
    rubric: Rubric


class Thing(ResponseModel):
    id: UUID
    made: datetime
    rubric: Rubric


class Filter(RequestModel):
    owner: UUID | None = Field(None, description="Whose.")
    since: datetime | None = Field(None, alias="from")
    limit: int = Field(20, ge=1, le=100)


blueprint = Blueprint("things", __name__, url_prefix="/api/things")


@blueprint.get("")
@operation(allow=Role.rep, query=Filter, returns={200: list[Thing]})
async def list_things() -> None:
    """All things.

    Newest first.
    """


@blueprint.post("")
@operation(allow=Role.manager, body=NewThing, returns={201: Thing}, errors=(Conflict,))
async def make_thing() -> None:
    """Make one."""


@blueprint.get("/<uuid:thing_id>/events")
@operation(allow=None, limit=None, returns={200: Raw("text/event-stream")})
async def follow_thing() -> None:
    """Follow one."""


@blueprint.delete("/<uuid:thing_id>")
@operation(allow=Role.admin, returns={204: None})
async def delete_thing() -> None:
    """Delete one."""


@pytest.fixture(scope="module")
def document() -> dict:
    app = Quart(__name__)
    app.register_blueprint(blueprint)
    return openapi_document(app, title="Things", version="1", description="")


def test_the_docstring_becomes_summary_and_description(document):
    listing = document["paths"]["/api/things"]["get"]
    assert listing["summary"] == "All things"
    assert listing["description"].startswith("Newest first.")
    assert "`rep`" in listing["description"]
    assert listing["operationId"] == "things_list_things"
    assert listing["tags"] == ["things"]


def test_errors_follow_from_what_the_route_does(document):
    paths = document["paths"]
    expected = {
        ("/api/things", "get"): "200 401 403 422 429 500 503",
        ("/api/things", "post"): "201 400 401 403 409 413 415 422 429 500 503",
        ("/api/things/{thing_id}", "delete"): "204 401 403 404 413 429 500 503",
        ("/api/things/{thing_id}/events", "get"): "200 404 500 503",
    }
    found = {
        (path, method): " ".join(sorted(operation["responses"]))
        for path, methods in paths.items()
        for method, operation in methods.items()
    }
    assert found == expected


def test_path_and_query_parameters_are_typed(document):
    (path_parameter,) = document["paths"]["/api/things/{thing_id}"]["delete"]["parameters"]
    assert path_parameter["schema"] == {"type": "string", "format": "uuid"}
    parameters = {
        parameter["name"]: parameter["schema"]
        for parameter in document["paths"]["/api/things"]["get"]["parameters"]
    }
    assert set(parameters) == {"owner", "from", "limit"}
    assert parameters["owner"] == {"format": "uuid", "type": "string", "title": "Owner"}
    assert parameters["limit"]["maximum"] == 100


def test_public_routes_need_no_credentials_and_others_do(document):
    paths = document["paths"]
    assert paths["/api/things/{thing_id}/events"]["get"]["security"] == []
    assert paths["/api/things"]["get"]["security"] == [{"bearer": []}, {"apiKey": []}]


def test_a_model_that_differs_on_the_way_in_and_out_has_two_schemas(document):
    schemas = document["components"]["schemas"]
    assert "required" not in schemas["Rubric-Input"]
    assert schemas["Rubric-Output"]["required"] == ["pass_score"]


def test_every_reference_leads_somewhere(document):
    def references(node):
        if isinstance(node, dict):
            if "$ref" in node:
                yield node["$ref"]
            for value in node.values():
                yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    found = set(references(document))
    assert found
    for reference in found:
        target = document
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]


def test_limited_routes_document_the_headers(document):
    listing = document["paths"]["/api/things"]["get"]["responses"]
    assert set(listing["200"]["headers"]) == {"RateLimit", "RateLimit-Policy"}
    assert set(listing["429"]["headers"]) >= {"Retry-After"}
    assert (
        "headers"
        not in document["paths"]["/api/things/{thing_id}/events"]["get"]["responses"]["200"]
    )


def test_a_model_that_would_swallow_misspelt_fields_is_refused_when_declared():
    with pytest.raises(TypeError, match="must forbid unknown fields"):
        operation(allow=None, body=Rubric, returns={200: None})
