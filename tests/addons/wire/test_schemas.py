"""Each dialect's rewrites, as tables; and for all schemas that the walk ends and says only what the dialect knows."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from google.genai import types
from hypothesis import given, settings
from hypothesis import strategies as st

from ringlet_mitm.addons.wire.schemas import fits_strict, fitted_schema, json_schema, openapi_schema
from ringlet_mitm.rules.shapes import WireFormat

CAPTURES = Path(__file__).parents[3] / "fixtures" / "captures"
STRING = {"type": "string"}
LIST = {"type": "array", "items": STRING}


def tool(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize("wire_format", WireFormat)
def test_what_nobody_minds_is_the_same(wire_format: WireFormat) -> None:
    schema = {**tool(path=STRING, lines=LIST), "required": ["path"], "description": "reads"}
    assert fitted_schema(schema, wire_format) == (schema, ())


@pytest.mark.parametrize("wire_format", WireFormat)
@pytest.mark.parametrize("schema", [None, {}, {"type": "object"}, {"properties": {}}, {"type": ["object", "null"]}])
def test_arguments_are_always_an_object(wire_format: WireFormat, schema: dict[str, Any] | None) -> None:
    fitted, losses = fitted_schema(schema, wire_format)
    assert fitted["type"] == "object"
    assert fitted["properties"] == {}
    assert not losses


PLAIN = {
    "anyOf of required sets": (
        {**tool(a=STRING, b=STRING), "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
        {**tool(a=STRING, b=STRING), "required": [], "description": "(Needs one of: a; b.)"},
        ["schema anyOf"],
    ),
    "oneOf of objects": (
        {
            "oneOf": [
                {**tool(kind={"const": "x"}, a=STRING), "required": ["kind", "a"]},
                {**tool(kind={"const": "y"}), "required": ["kind"]},
            ]
        },
        {
            "type": "object",
            "properties": {"kind": {"enum": ["x", "y"]}, "a": STRING},
            "required": ["kind"],
            "description": "(Needs one of: a.)",
        },
        ["schema anyOf"],
    ),
    "allOf": (
        {"allOf": [tool(a=STRING), {**tool(b=STRING), "required": ["b"]}]},
        {**tool(b=STRING, a=STRING), "required": ["b"]},
        [],
    ),
    "a reference at the top": (
        {"$ref": "#/$defs/Args", "$defs": {"Args": tool(a=STRING)}},
        {**tool(a=STRING), "$defs": {"Args": tool(a=STRING)}},
        [],
    ),
    "Google's spelling": (
        {"type": "OBJECT", "properties": {"n": {"type": "STRING", "nullable": True}}},
        tool(n={"type": ["string", "null"]}),
        [],
    ),
    "an array without items": (tool(a={"type": "array"}), tool(a={"type": "array", "items": {}}), []),
    "no object": ({"type": "string"}, tool(), ["schema of arguments"]),
    "inside anything goes": (
        tool(a={"anyOf": [STRING, {"type": "null"}]}, b={"$ref": "#/x"}),
        tool(a={"anyOf": [STRING, {"type": "null"}]}, b={"$ref": "#/x"}),
        [],
    ),
}


@pytest.mark.parametrize(
    "wire_format", [WireFormat.MESSAGES, WireFormat.CHAT, WireFormat.RESPONSES, WireFormat.CONVERSE]
)
@pytest.mark.parametrize("case", PLAIN)
def test_plain(case: str, wire_format: WireFormat) -> None:
    schema, wanted, lost = PLAIN[case]
    fitted, losses = fitted_schema(schema, wire_format)
    assert fitted == wanted
    assert [loss.what for loss in losses] == lost


TREE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Tree"}}}
INLINED = {
    "a reference with a description": (
        {**tool(a={"$ref": "#/$defs/Name", "description": "mine"}), "$defs": {"Name": STRING}},
        tool(a={**STRING, "description": "mine"}),
        [],
    ),
    "a reference to a reference": (
        {**tool(a={"$ref": "#/definitions/A"}), "definitions": {"A": {"$ref": "#/definitions/B"}, "B": STRING}},
        tool(a=STRING),
        [],
    ),
    "a reference beside properties": (
        tool(a=LIST, b={"type": "array", "items": {"$ref": "#/properties/a"}}),
        tool(a=LIST, b={"type": "array", "items": LIST}),
        [],
    ),
    "recursion": (
        {**tool(a={"$ref": "#/$defs/Tree"}), "$defs": {"Tree": TREE}},
        tool(a={"type": "object", "properties": {"next": {"type": "object", "description": "(again as Tree)"}}}),
        ["schema recursion"],
    ),
    "a reference to nowhere": (tool(a={"$ref": "#/$defs/None"}), tool(a={}), ["schema $ref"]),
    "a reference elsewhere": (tool(a={"$ref": "https://x.test/y"}), tool(a={}), ["schema $ref"]),
    "an escaped reference": (
        {**tool(a={"$ref": "#/$defs/a~1b%20c"}), "$defs": {"a/b c": STRING}},
        tool(a=STRING),
        [],
    ),
    "const": (tool(a={"const": "x"}), tool(a={"enum": ["x"], "type": "string"}), []),
    "exclusive bounds of whole numbers": (
        tool(a={"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 9}),
        tool(a={"type": "integer", "minimum": 1, "maximum": 8}),
        [],
    ),
    "exclusive bounds of others": (
        tool(a={"type": "number", "exclusiveMinimum": 0}),
        tool(a={"type": "number", "minimum": 0, "description": "(exclusiveMinimum: 0)"}),
        ["schema exclusiveMinimum"],
    ),
    "allOf inside": (
        tool(a={"allOf": [tool(x=STRING), tool(y=STRING)], "description": "both"}),
        tool(a={**tool(y=STRING, x=STRING), "description": "both"}),
        [],
    ),
    "what says nothing": ({**tool(a=STRING), "$schema": "x", "$comment": "y"}, tool(a=STRING), []),
    "a true schema": (tool(a=True), tool(a={}), []),
    "additionalProperties stay": (
        {**tool(a=STRING), "additionalProperties": False},
        {**tool(a=STRING), "additionalProperties": False},
        [],
    ),
}


@pytest.mark.parametrize("wire_format", [WireFormat.GEMINI, WireFormat.OLLAMA])
@pytest.mark.parametrize("case", INLINED)
def test_inlined(case: str, wire_format: WireFormat) -> None:
    schema, wanted, lost = INLINED[case]
    fitted, losses = fitted_schema(schema, wire_format)
    assert fitted == wanted
    assert [loss.what for loss in losses] == lost


OPENAPI = {
    "null in a list of types": ({"type": ["string", "null"]}, {**STRING, "nullable": True}, []),
    "several types": ({"type": ["string", "integer"]}, {"anyOf": [STRING, {"type": "integer"}]}, []),
    "null in a choice": ({"anyOf": [STRING, {"type": "null"}]}, {**STRING, "nullable": True}, []),
    "null in a choice of more": (
        {"oneOf": [STRING, {"type": "integer"}, {"type": "null"}]},
        {"anyOf": [STRING, {"type": "integer"}], "nullable": True},
        [],
    ),
    "an empty text in an enum": ({**STRING, "enum": ["", "a"]}, {**STRING, "enum": ["a"]}, ["schema enum"]),
    "an enum of numbers": (
        {"type": "integer", "enum": [1, 2]},
        {"type": "integer", "description": "(enum: [1, 2])"},
        ["schema enum"],
    ),
    "null in an enum": ({"enum": ["a", None]}, {**STRING, "enum": ["a"], "nullable": True}, []),
    "a const": ({"const": "a"}, {**STRING, "enum": ["a"]}, []),
    "a format it knows": ({**STRING, "format": "date-time"}, {**STRING, "format": "date-time"}, []),
    "a format it does not": ({**STRING, "format": "uri"}, {**STRING, "description": '(format: "uri")'}, []),
    "closed": ({**tool(a=STRING), "additionalProperties": False}, tool(a=STRING), []),
    "a map": (
        {"type": "object", "additionalProperties": STRING},
        {"type": "object", "description": '(additionalProperties: {"type": "string"})'},
        ["schema additionalProperties"],
    ),
    "patterns of names": (
        {"type": "object", "patternProperties": {"^x": STRING}},
        {"type": "object", "description": '(patternProperties: {"^x": {"type": "string"}})'},
        ["schema patternProperties"],
    ),
    "no items": ({"type": "array"}, LIST, []),
    "items by place": (
        {"type": "array", "prefixItems": [STRING, {"type": "integer"}]},
        {"type": "array", "items": {"anyOf": [STRING, {"type": "integer"}]}},
        ["schema prefixItems"],
    ),
    "required but unknown": ({**tool(a=STRING), "required": ["a", "b"]}, {**tool(a=STRING), "required": ["a"]}, []),
    "not": ({**STRING, "not": {"enum": ["x"]}}, {**STRING, "description": '(not: {"enum": ["x"]})'}, ["schema not"]),
    "an optional reference": (
        {"anyOf": [{"$ref": "#/properties/b"}, {"type": "null"}], "default": None},
        {**STRING, "nullable": True, "default": None},
        [],
    ),
}


@pytest.mark.parametrize("case", OPENAPI)
def test_openapi(case: str) -> None:
    schema, wanted, lost = OPENAPI[case]
    fitted, losses = openapi_schema(tool(a=schema, b=STRING))
    assert fitted == tool(a=wanted, b=STRING)
    assert [loss.what for loss in losses] == lost
    types.Schema.model_validate(fitted)


STRICT = {
    "optional becomes nullable": (
        {**tool(a=STRING, b=STRING), "required": ["a"]},
        {**tool(a=STRING, b={"type": ["string", "null"]}), "required": ["a", "b"], "additionalProperties": False},
        ["optional properties"],
    ),
    "an optional enum": (
        tool(a={**STRING, "enum": ["x"]}),
        {
            **tool(a={"type": ["string", "null"], "enum": ["x", None]}),
            "required": ["a"],
            "additionalProperties": False,
        },
        ["optional properties"],
    ),
    "words beside a reference": (
        {**tool(a={"$ref": "#/$defs/S", "description": "d"}), "required": ["a"], "$defs": {"S": STRING}},
        {
            **tool(a={"anyOf": [{"$ref": "#/$defs/S"}], "description": "d"}),
            "required": ["a"],
            "additionalProperties": False,
            "$defs": {"S": STRING},
        },
        [],
    ),
    "lengths": (
        {**tool(a={**STRING, "minLength": 2}), "required": ["a"]},
        {
            **tool(a={**STRING, "description": "(minLength: 2)"}),
            "required": ["a"],
            "additionalProperties": False,
        },
        ["schema minLength"],
    ),
}


@pytest.mark.parametrize("case", STRICT)
def test_strict(case: str) -> None:
    schema, wanted, lost = STRICT[case]
    fitted, losses = fitted_schema(schema, WireFormat.CHAT, strict=True)
    assert fitted == wanted
    assert [loss.what for loss in losses] == lost


@pytest.mark.parametrize(
    ("schema", "fits"),
    [
        (tool(a=STRING), True),
        (tool(a=tool(b=STRING)), True),
        (tool(a={"type": "object", "additionalProperties": STRING}), False),
        (tool(a={"type": "object"}), False),
        (tool(a={}), False),
    ],
)
def test_fits_strict(schema: dict[str, Any], fits: bool) -> None:
    assert fits_strict(schema) is fits


def test_anthropic_strict_is_closed_and_says_bounds_in_words() -> None:
    schema = tool(n={"type": "integer", "minimum": 1}, m={"$ref": "#/$defs/S"}) | {"$defs": {"S": STRING}}
    fitted, losses = fitted_schema(schema, WireFormat.MESSAGES, strict=True)
    assert fitted == {
        **tool(n={"type": "integer", "description": "(minimum: 1)"}, m=STRING),
        "additionalProperties": False,
        "required": [],
    }
    assert [loss.what for loss in losses] == ["schema minimum"]


def test_an_answer_that_is_no_object_stays_what_it_is() -> None:
    assert fitted_schema(LIST, WireFormat.GEMINI, strict=True) == (LIST, ())


def test_json_schema_of_googles() -> None:
    google = {"type": "ARRAY", "minItems": "2", "items": {"type": "STRING", "nullable": True}}
    assert json_schema(google) == {"type": "array", "minItems": 2, "items": {"type": ["string", "null"]}}


def captured_schemas() -> list[dict[str, Any]]:
    bodies = [json.loads(path.read_text())["body"] for path in sorted(CAPTURES.glob("*.json"))]
    tools = [one for body in bodies for one in body.get("tools", [])]
    declared = [one for entry in tools for one in entry.get("functionDeclarations", [entry])]
    keys = ("input_schema", "parameters", "parametersJsonSchema")
    return [one[key] for one in declared for key in keys if key in one]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("wire_format", WireFormat)
def test_agents_tools_lose_nothing_that_is_not_said(wire_format: WireFormat, strict: bool) -> None:
    schemas = captured_schemas()
    assert len(schemas) > 40
    for schema in schemas:
        before = json.dumps(schema)
        fitted, _ = fitted_schema(schema, wire_format, strict=strict)
        assert json.dumps(schema) == before
        assert set(fitted["properties"]) == set(schema.get("properties", {}))
        assert fitted_schema(fitted, wire_format, strict=strict)[0] == fitted  # settled


def test_agents_tools_are_googles_schema() -> None:
    for schema in captured_schemas():
        types.Schema.model_validate(openapi_schema(schema)[0])


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = dict(STRING)
    for _ in range(depth):
        schema = tool(a=schema)
    return schema


def doubling(levels: int) -> dict[str, Any]:
    """Every level mentions the next one twice: 2^levels nodes when written out."""
    definitions: dict[str, Any] = {
        str(n): tool(x={"$ref": f"#/$defs/{n + 1}"}, y={"$ref": f"#/$defs/{n + 1}"}) for n in range(levels)
    }
    return {**tool(a={"$ref": "#/$defs/0"}), "$defs": {**definitions, str(levels): STRING}}


ABSURD = {
    "deep": nested(400),
    "doubling": doubling(40),
    "allOf of itself": {"allOf": [{"$ref": "#"}], **tool(a={"allOf": [{"$ref": "#"}, {"$ref": "#"}]})},
    "itself": {"$ref": "#"},
    "a circle": {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
}


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("wire_format", WireFormat)
@pytest.mark.parametrize("case", ABSURD)
def test_absurd_schemas_end(case: str, wire_format: WireFormat, strict: bool) -> None:
    began = time.process_time()
    fitted, _ = fitted_schema(ABSURD[case], wire_format, strict=strict)
    assert fitted["type"] == "object"
    assert len(json.dumps(fitted)) < 20_000_000
    assert time.process_time() - began < 2


@pytest.mark.parametrize("case", ABSURD)
def test_absurd_schemas_end_in_openapi_too(case: str) -> None:
    assert openapi_schema(ABSURD[case])[0]["type"] == "object"
    json_schema(ABSURD[case])


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=3)
    | st.sampled_from(["string", "object", "#", "null"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "properties",
                    "items",
                    "anyOf",
                    "oneOf",
                    "allOf",
                    "$ref",
                    "$defs",
                    "enum",
                    "const",
                    "nullable",
                    "required",
                    "format",
                    "not",
                    "if",
                    "additionalProperties",
                    "prefixItems",
                    "minItems",
                    "exclusiveMinimum",
                    "description",
                    "default",
                    "examples",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=400)
@given(
    st.dictionaries(
        st.sampled_from(["type", "properties", "anyOf", "oneOf", "allOf", "$ref", "$defs", "enum", "not", "items"]), ANY
    )
)
def test_nothing_crashes(schema: dict[str, Any]) -> None:
    before = json.dumps(schema)
    for wire_format in WireFormat:
        for strict in (False, True):
            json.dumps(fitted_schema(schema, wire_format, strict=strict)[0])
    openapi_schema(schema)
    json_schema(schema)
    assert json.dumps(schema) == before
