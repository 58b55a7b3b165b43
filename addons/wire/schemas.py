"""JSON-schema dialects: what each wire format refuses in a schema, and how the same is said there instead.

One walk serves them all. A node without anything that its dialect minds comes back as the object that it is; else a
copy goes through the dialect's rewrites, a keyword each, and a keyword that the dialect cannot say at all goes into the
node's description in words, where the model still reads it, and becomes a Loss. Nothing vanishes in silence except what
says nothing (`$schema`, `$comment`).

    dialect   for                       what it minds
    PLAIN     Chat, Responses,          a top level that is no object or has anyOf, oneOf, allOf, enum, not; arrays
              Messages, Converse        without items; Google's spelling (`OBJECT`, `nullable`)
    INLINED   Gemini's JSON Schema      also $ref (next to $ref it takes nothing), allOf, const
    OLLAMA    Ollama                    also oneOf: what its templates are given knows anyOf only
    OPENAPI   Gemini's Schema (older    also lists of types, oneOf, additionalProperties, prefixItems, most formats,
              models)                   enums of other things than text, bounds that exclude
    STRICT    OpenAI's strict mode      properties that are not required (they become nullable), open objects, oneOf,
                                        allOf, not, if, patternProperties, uniqueItems
    CLOSED    Anthropic's and           $ref, open objects, oneOf, bounds of numbers and lengths
              Converse's strict mode

Gemini takes full JSON Schema as `parametersJsonSchema` and `responseJsonSchema` since 2.5 and refuses less there, so
that is what is written for those models; `openapi_schema` is for the others.

Sources: OpenAI "Structured model outputs, supported schemas", Anthropic "Structured outputs, JSON Schema limitations",
Gemini API FunctionDeclaration, GenerationConfig.responseJsonSchema and Schema, Ollama's ToolFunction; 2026-11-21.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ringlet_mitm.addons.wire import schema_rewrites as rewrites
from ringlet_mitm.addons.wire.blocks import Json
from ringlet_mitm.addons.wire.schema_tops import flat_top, object_top
from ringlet_mitm.addons.wire.schema_walk import OPEN_OBJECT, Dialect, Walk
from ringlet_mitm.rules.shapes import Loss, WireFormat

NUMBERS = frozenset(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"))
LENGTHS = frozenset(("minLength", "maxLength", "maxItems", "uniqueItems", "minProperties", "maxProperties"))
LOGIC = frozenset(("not", "if", "then", "else", "dependentRequired", "dependentSchemas", "dependencies"))
OPEN = frozenset(("patternProperties", "propertyNames", "unevaluatedProperties", "unevaluatedItems"))
CONTAINS = frozenset(("contains", "minContains", "maxContains"))
ASIDES = frozenset(("$schema", "$comment", "$id", "$anchor", "id"))
DEFINITIONS = frozenset(("$defs", "definitions"))
FORMATS = frozenset(("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"))
OPENAPI_FORMATS = frozenset(("enum", "date-time", "float", "double", "int32", "int64"))

PLAIN = Dialect(
    rewrites={"nullable": rewrites.null_type},
    flat_top=True,
)
INLINED = Dialect(
    rewrites={
        "$ref": rewrites.inlined,
        "allOf": rewrites.merged,
        "nullable": rewrites.null_type,
        "const": rewrites.const_as_enum,
        "exclusiveMinimum": rewrites.inclusive,
        "exclusiveMaximum": rewrites.inclusive,
    },
    silent=ASIDES - {"id"} | DEFINITIONS,
)
OLLAMA = replace(INLINED, rewrites={**INLINED.rewrites, "oneOf": rewrites.any_of}, flat_top=True)
OPENAPI = Dialect(
    rewrites={
        **INLINED.rewrites,
        "oneOf": rewrites.any_of,
        "prefixItems": rewrites.items_of_prefix,
        "type": rewrites.one_type,
        "anyOf": rewrites.nullable_choice,
        "enum": rewrites.text_enum,
        "additionalProperties": rewrites.only_named,
        "required": rewrites.known_required,
        "examples": rewrites.one_example,
    },
    silent=ASIDES - {"id"} | DEFINITIONS | {"readOnly", "writeOnly", "deprecated"},
    said=LOGIC | OPEN | CONTAINS | {"multipleOf", "uniqueItems", "contentEncoding", "contentMediaType"},
    formats=OPENAPI_FORMATS,
    typed_items=True,
    keeps_null=False,
)
STRICT = Dialect(
    rewrites={
        "allOf": rewrites.merged,
        "$ref": rewrites.lone_ref,
        "nullable": rewrites.null_type,
        "oneOf": rewrites.any_of,
        "prefixItems": rewrites.items_of_prefix,
    },
    silent=ASIDES - {"id"} | {"default", "examples"},
    said=LOGIC | OPEN | CONTAINS | {"minLength", "maxLength", "uniqueItems", "minProperties", "maxProperties"},
    formats=FORMATS,
    flat_top=True,
    closed=True,
    all_required=True,
)
CLOSED = Dialect(
    rewrites={
        "$ref": rewrites.inlined,
        "allOf": rewrites.merged,
        "nullable": rewrites.null_type,
        "oneOf": rewrites.any_of,
        "prefixItems": rewrites.items_of_prefix,
        "minItems": rewrites.few_items,
    },
    silent=ASIDES - {"id"} | DEFINITIONS,
    said=NUMBERS | LENGTHS | LOGIC | OPEN | CONTAINS,
    formats=FORMATS | {"uri"},
    flat_top=True,
    closed=True,
)
GOOGLE = Dialect(rewrites={"nullable": rewrites.null_type}, counts=True)
DIALECTS: dict[tuple[WireFormat, bool], Dialect] = {
    (WireFormat.MESSAGES, False): PLAIN,
    (WireFormat.MESSAGES, True): CLOSED,
    (WireFormat.CHAT, False): PLAIN,
    (WireFormat.CHAT, True): STRICT,
    (WireFormat.RESPONSES, False): PLAIN,
    (WireFormat.RESPONSES, True): STRICT,
    (WireFormat.GEMINI, False): INLINED,
    (WireFormat.GEMINI, True): INLINED,
    (WireFormat.OLLAMA, False): OLLAMA,
    (WireFormat.OLLAMA, True): INLINED,
    (WireFormat.CONVERSE, False): PLAIN,
    (WireFormat.CONVERSE, True): CLOSED,
}


def fitted_schema(
    schema: Mapping[str, Any] | None, wire_format: WireFormat, *, strict: bool = False
) -> tuple[Json, tuple[Loss, ...]]:
    """`schema` as `wire_format` takes it, and what it lost.

    Not strict: the arguments of a tool, always an object. `strict`: a schema that is enforced word by word, which is
    a tool of strict mode or the form of an answer; one that says that it is no object stays what it is.
    """
    return _fitted(schema, DIALECTS[wire_format, strict], tool=not strict)


def openapi_schema(schema: Mapping[str, Any] | None, *, tool: bool = True) -> tuple[Json, tuple[Loss, ...]]:
    """The same in the subset of OpenAPI 3.0 that Gemini calls Schema (`parameters`, `responseSchema`)."""
    return _fitted(schema, OPENAPI, tool=tool)


def json_schema(schema: Mapping[str, Any]) -> Json:
    """JSON Schema of what Gemini calls Schema: lower-case types, null as a type, counts as numbers."""
    fitted: Json = Walk(schema, GOOGLE).node(schema)
    return fitted


def fits_strict(schema: Mapping[str, Any] | None) -> bool:
    """Whether OpenAI's strict mode can hold it: no object in it is a map of names that nobody knows beforehand.

    Such a map would become an object that is always empty; `strict: false` with the plain schema says more.
    """
    return not any(loss.what == OPEN_OBJECT for loss in _fitted(schema, STRICT, tool=True)[1])


def _fitted(schema: Mapping[str, Any] | None, dialect: Dialect, *, tool: bool) -> tuple[Json, tuple[Loss, ...]]:
    whole = dict(schema) if isinstance(schema, Mapping) else {}
    walk = Walk(whole, dialect)
    if dialect.flat_top:
        top = flat_top(walk, whole)
        fitted = walk.node(object_top(walk, top) if tool or "type" not in top else top)
    else:
        fitted = walk.node(whole)
        fitted = object_top(walk, fitted) if tool else fitted
    return fitted, tuple(Loss(what, why) for what, why in walk.losses.items())
