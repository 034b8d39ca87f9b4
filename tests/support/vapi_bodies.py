"""Webhook bodies drawn from Vapi's published schema.

hypothesis-jsonschema reaches into Hypothesis's internals and breaks with current releases; the
schema uses few keywords, so they are read here.
"""

import json
from functools import cache
from pathlib import Path

from hypothesis import strategies as st

SCHEMA = json.loads(
    (Path(__file__).parents[1] / "data" / "vapi_server_messages.schema.json").read_text()
)

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
numbers = (
    st.integers(-1, 10**13)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.floats(0, 3600, allow_nan=False)
)
words = st.text(max_size=12) | st.sampled_from(["Hello, is this Dana?", "AI: Hello.\nUser: Hi.\n"])
moments = st.datetimes().map(lambda moment: moment.isoformat() + "Z")


def instances(schema):
    """A strategy for JSON values that fit this part of the schema."""
    if "$ref" in schema:
        return _definition(schema["$ref"].rsplit("/", 1)[-1])
    if "anyOf" in schema:
        return st.one_of([instances(option) for option in schema["anyOf"]])
    if "allOf" in schema:
        (only,) = schema["allOf"]
        return instances(only)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    return _of_type(schema)


def _of_type(schema):
    kind = schema.get("type")
    if kind == "object":
        fields = {name: instances(field) for name, field in schema.get("properties", {}).items()}
        required = {name: fields.pop(name) for name in schema.get("required", []) if name in fields}
        if not required and not fields:
            values = instances(schema.get("additionalProperties", {}))
            return st.dictionaries(st.text(max_size=8), values, max_size=3)
        return st.fixed_dictionaries(required, optional=fields)
    if kind == "array":
        return st.lists(instances(schema.get("items", {})), max_size=3)
    if kind == "string":
        return moments if schema.get("format") == "date-time" else words
    return {"number": numbers, "boolean": st.booleans()}.get(kind, anything)


@cache
def _definition(name):
    return st.deferred(lambda: instances(SCHEMA["$defs"][name]))


vapi_bodies = instances(SCHEMA)
# Of the two types that the platform uses.
used_bodies = st.fixed_dictionaries(
    {
        "message": _definition("ServerMessageEndOfCallReport")
        | _definition("ServerMessageStatusUpdate")
    }
)
