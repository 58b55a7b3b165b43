"""One walk through a JSON schema, in a dialect of `schemas.py`.

A dialect's rewrites are in `schema_rewrites.py`: each takes the walk and a copy of the node that it may change, and
gives the node to go on with, whose inner nodes are walked afterwards, once. Schemas come from anybody (a tool server, a
model): a reference that leads nowhere or to itself, a node of a wrong type, any depth and a few lines that unfold to
millions of nodes must all end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from ringlet_mitm.addons.wire.blocks import Json

DEPTH = 48
NODES = 20_000  # unfolded; the largest tool sets in the captures have 600
SAID = 200  # characters of a keyword's value that the description takes
SCHEMA_MAPS = ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas")
SCHEMAS = (
    *("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"),
    *("unevaluatedProperties", "unevaluatedItems"),
)
SCHEMA_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
INSIDE = frozenset((*SCHEMA_MAPS, *SCHEMAS, *SCHEMA_LISTS))
TYPED = frozenset(("type", "anyOf", "$ref", "enum", "const"))
COUNTS = frozenset(("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"))

OPEN_OBJECT = "schema of an open object"
RECURSION = "schema recursion"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What a dialect minds. `rewrites` run in their order; `silent` keywords go without a word, `said` ones into the
    description; `formats` None takes any; `closed` wants additionalProperties false, `all_required` every property."""

    rewrites: Mapping[str, Callable[[Walk, Json], Json]]
    silent: frozenset[str] = frozenset()
    said: frozenset[str] = frozenset()
    formats: frozenset[str] | None = None
    flat_top: bool = False
    typed_items: bool = False
    closed: bool = False
    all_required: bool = False
    keeps_null: bool = True
    counts: bool = False

    @property
    def minded(self) -> frozenset[str]:
        """Every keyword that makes a node need a look."""
        formats = frozenset(("format",)) if self.formats is not None else frozenset[str]()
        return self.silent | self.said | frozenset(self.rewrites) | formats | (COUNTS if self.counts else frozenset())


class Walk:
    """A walk through one schema in one dialect; `losses` holds what was lost and why."""

    def __init__(self, whole: Mapping[str, Any], dialect: Dialect) -> None:
        self.whole = whole
        self.dialect = dialect
        self.losses: dict[str, str] = {}
        self.open_refs: list[str] = []
        self._minded = dialect.minded
        self._nodes = 0
        self._depth = 0

    def node(self, schema: Any) -> Any:
        """`schema` in the dialect: the same object where nothing is minded, never a changed one."""
        if not isinstance(schema, dict):
            return self._no_object(schema)
        self._nodes += 1
        if self._depth >= DEPTH or self._nodes > NODES:
            self.lose("schema depth", "nested deeper than any tool's schema")
            return {}
        self._depth += 1
        refs = len(self.open_refs)
        try:
            return self._finished(self._children(self.rewritten(schema)))
        finally:
            self._depth -= 1
            del self.open_refs[refs:]

    def lose(self, what: str, why: str) -> None:
        """Notes a loss; each kind counts once."""
        self.losses.setdefault(what, why)

    def _no_object(self, schema: Any) -> Any:
        """A schema may be true or false; nobody's dialect has these where a schema stands."""
        if schema is False:
            self.lose("schema false", "a value that nothing fits cannot be said")
        return {}

    def rewritten(self, schema: Json) -> Json:
        """The node itself without what is minded; its inner nodes stay as they are."""
        if self._minded.isdisjoint(schema):
            return schema
        if self._depth >= 2 * DEPTH:
            return {}
        self._depth += 1
        node = dict(schema)
        for keyword, rewrite in self.dialect.rewrites.items():
            if keyword in node:
                node = rewrite(self, node)
        self._depth -= 1
        return self._said(node)

    def _said(self, node: Json) -> Json:
        for keyword in self.dialect.said.intersection(node):
            self.say(node, keyword)
        for keyword in self.dialect.silent.intersection(node):
            del node[keyword]
        formats = self.dialect.formats
        if formats is not None and "format" in node and str(node["format"]) not in formats:
            self.say(node, "format", lost=False)
        if self.dialect.counts:
            node.update({key: int(node[key]) for key in COUNTS & node.keys() if _is_count(node[key])})
        return node

    def say(self, node: Json, keyword: str, *, lost: bool = True) -> None:
        """Moves a keyword into the description, where the model still reads it."""
        try:
            text = json.dumps(node.pop(keyword), default=str)
        except (ValueError, RecursionError):
            text = "…"
        add_words(node, f"({keyword}: {text if len(text) <= SAID else text[:SAID] + '…'})")
        if lost:
            self.lose(f"schema {keyword}", "not enforced there, said in the description")

    def _children(self, node: Json) -> Json:
        """The node with its inner schemas walked; a copy as soon as one of them changed."""
        changed: Json = {}
        for keyword in INSIDE.intersection(node):
            value = node[keyword]
            walked = self._inside(keyword, value)
            if walked is not value:
                changed[keyword] = walked
        return {**node, **changed} if changed else node

    def _inside(self, keyword: str, value: Any) -> Any:
        if keyword in SCHEMA_MAPS:
            if not isinstance(value, dict):
                return {}
            walked = {name: self.node(inner) for name, inner in value.items()}
            return walked if any(walked[name] is not value[name] for name in value) else value
        if keyword in SCHEMA_LISTS:
            if not isinstance(value, list):
                return []
            several = [self.node(inner) for inner in value]
            return several if any(new is not old for new, old in zip(several, value, strict=True)) else value
        if isinstance(value, bool) and keyword != "items":
            return value
        if isinstance(value, list):  # items of the drafts before 2020: one schema each
            return self.node({"anyOf": value} if value else {})
        return self.node(value)

    def _finished(self, node: Json) -> Json:
        """What the node needs that it may not have said: a type's spelling, items of an array, a closed object."""
        kind = node.get("type")
        if isinstance(kind, str) and not kind.islower():
            node = {**node, "type": kind.lower()}
            kind = node["type"]
        if kind == "array" and "items" not in node and "prefixItems" not in node:
            node = {**node, "items": {"type": "string"} if self.dialect.typed_items else {}}
        if self.dialect.closed and (kind == "object" or "properties" in node):
            node = closed_object(self, node)
        if self.dialect.all_required and TYPED.isdisjoint(node):
            self.lose(OPEN_OBJECT, "strict mode takes values of a known type only")
        return node


def _is_count(value: Any) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10


def add_words(node: Json, words: str) -> None:
    """Puts words behind the description."""
    said = node.get("description")
    node["description"] = f"{said} {words}" if isinstance(said, str) and said else words


def types_of(node: Mapping[str, Any]) -> list[str]:
    """The types that a node names, in lower case."""
    kind = node.get("type")
    return [name.lower() for name in (kind if isinstance(kind, list) else [kind]) if isinstance(name, str)]


def names_in(value: Any) -> list[str]:
    """The texts of a list; none where it is no list."""
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def closed_object(walk: Walk, node: Json) -> Json:
    """No properties but the named ones, and in strict mode all of them required; what was optional may be null."""
    properties = node.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    extra = node.get("additionalProperties")
    if extra is not False and (isinstance(extra, dict) or extra is True or not properties):
        walk.lose(OPEN_OBJECT, "strict mode takes named properties only")
    required = [name for name in names_in(node.get("required")) if name in properties]
    node = {**node, "properties": properties, "additionalProperties": False, "required": required}
    if walk.dialect.all_required and len(required) < len(properties):
        walk.lose("optional properties", "strict mode wants all of them; null stands for one left out")
        node["required"] = list(properties)
        node["properties"] = {name: inner if name in required else or_null(inner) for name, inner in properties.items()}
    return node


def or_null(node: Json) -> Json:
    """The node or null."""
    names = types_of(node)
    choices = node.get("anyOf")
    several = [one for one in choices if isinstance(one, dict)] if isinstance(choices, list) else []
    if "null" in names or any("null" in types_of(one) for one in several):
        return node
    if names:
        enum = {"enum": [*node["enum"], None]} if isinstance(node.get("enum"), list) else {}
        plain = "const" not in node
        return {**node, "type": [*names, "null"], **enum} if plain else {"anyOf": [node, {"type": "null"}]}
    if several:
        return {**node, "anyOf": [*several, {"type": "null"}]}
    return {"anyOf": [node, {"type": "null"}]} if node else node


def target_of(walk: Walk, ref: Any) -> Any:
    """What a reference inside the same schema points to; None where it leads nowhere."""
    if not isinstance(ref, str) or not ref.startswith("#"):
        return None
    found: Any = walk.whole
    for step in unquote(ref[1:]).split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list):
            found = found[int(name[:9])] if name.isascii() and name.isdigit() and int(name[:9]) < len(found) else None
        else:
            found = found.get(name) if isinstance(found, dict) else None
    return found


def without_ref(walk: Walk, node: Mapping[str, Any]) -> Json:
    """A node with its own reference, if it has one, written out (one step)."""
    target = target_of(walk, node["$ref"]) if "$ref" in node else None
    if not isinstance(target, dict):
        return dict(node)
    return {**target, **{key: value for key, value in node.items() if key != "$ref"}}
