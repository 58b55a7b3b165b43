"""Rewrites of single keywords, which the dialects of `schemas.py` are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ringlet_mitm.addons.wire.blocks import Json
from ringlet_mitm.addons.wire.schema_walk import (
    RECURSION,
    Walk,
    add_words,
    names_in,
    or_null,
    target_of,
    types_of,
    without_ref,
)


def inlined(walk: Walk, node: Json) -> Json:
    """$ref: what it points to in its place, with what stands beside it on top; cut where it comes back to itself."""
    while "$ref" in node:
        ref = node.pop("$ref")
        target = target_of(walk, ref)
        if not isinstance(target, dict):
            walk.lose("schema $ref", "it points to nothing")
        elif ref in walk.open_refs:
            walk.lose(RECURSION, "references are written out, and one that contains itself is cut")
            node = {"type": (types_of(target) or ["object"])[0], **node}
            add_words(node, f"(again as {str(ref).rpartition('/')[2] or 'the whole'})")
        else:
            walk.open_refs.append(ref)
            node = {**target, **node}
    return node


def lone_ref(walk: Walk, node: Json) -> Json:
    """$ref: nothing may stand beside it, so it moves into an anyOf of one; one that leads nowhere goes."""
    ref = node.pop("$ref")
    if target_of(walk, ref) is None:
        walk.lose("schema $ref", "it points to nothing")
        return node
    return {**node, "anyOf": [{"$ref": ref}]} if node else {"$ref": ref}


def merged(walk: Walk, node: Json) -> Json:
    """allOf: one node that says what all say; of two that contradict each other the first counts."""
    parts = node.pop("allOf")
    for part in parts if isinstance(parts, list) else ():
        if isinstance(part, dict):
            node = joined(walk, node, walk.rewritten(without_ref(walk, part)))
    return node


def joined(walk: Walk, one: Mapping[str, Any], other: Mapping[str, Any]) -> Json:
    """What fits both nodes, as far as one node can say it."""
    both = {**other, **one}
    for key in one.keys() & other.keys():
        mine, theirs = one[key], other[key]
        if mine == theirs or key in ("title", "default", "examples"):
            continue
        kind, join = JOINS.get(key, (None, max))
        if kind is not None and isinstance(mine, kind) and isinstance(theirs, kind):
            both[key] = join(mine, theirs)
        else:
            walk.lose("schema allOf", "its parts say different things of the same")
    return both


# What two values of a keyword are together, if both are of the type that they have to be.
JOINS: dict[str, tuple[Any, Callable[[Any, Any], Any]]] = {
    "properties": (dict, lambda mine, theirs: {**theirs, **mine}),
    "required": (list, lambda mine, theirs: list(dict.fromkeys([*names_in(mine), *names_in(theirs)]))),
    "enum": (list, lambda mine, theirs: [value for value in mine if value in theirs] or mine),
    "description": (str, lambda mine, theirs: f"{mine} {theirs}"),
    "minimum": (int | float, max),
    "maximum": (int | float, min),
    "minItems": (int, max),
    "maxItems": (int, min),
    "minLength": (int, max),
    "maxLength": (int, min),
}


def null_type(walk: Walk, node: Json) -> Json:
    """nullable: OpenAPI's way to say that null is allowed."""
    if node.get("nullable") is True and not walk.dialect.keeps_null:
        return node
    return or_null(node) if node.pop("nullable") is True else node


def const_as_enum(walk: Walk, node: Json) -> Json:
    """const: an enum of one."""
    node["enum"] = [node.pop("const")]
    if "type" not in node:
        kinds = {str: "string", bool: "boolean", int: "integer", float: "number"}
        kind = kinds.get(type(node["enum"][0]))
        node.update({"type": kind} if kind else {})
    return node


def inclusive(walk: Walk, node: Json) -> Json:
    """exclusiveMinimum, exclusiveMaximum: the next whole number, or in words where it need not be whole."""
    for exclusive, keyword, step in (("exclusiveMinimum", "minimum", 1), ("exclusiveMaximum", "maximum", -1)):
        limit = node.get(exclusive)
        if limit is None:
            continue
        if isinstance(limit, bool):  # the drafts before 6: it says how minimum is meant
            del node[exclusive]
        elif isinstance(limit, int) and types_of(node) == ["integer"]:
            node.setdefault(keyword, node.pop(exclusive) + step)
            node.pop(exclusive, None)
        else:
            node.setdefault(keyword, limit)
            walk.say(node, exclusive)
    return node


def any_of(walk: Walk, node: Json) -> Json:
    """oneOf: anyOf, which is as much as a model takes from it."""
    choices = node.pop("oneOf")
    if isinstance(choices, list):
        own = node.get("anyOf")
        node["anyOf"] = [*own, *choices] if isinstance(own, list) else choices
    return node


def items_of_prefix(walk: Walk, node: Json) -> Json:
    """prefixItems: items that are any of them."""
    places = node.pop("prefixItems")
    if isinstance(places, list) and places and not isinstance(node.get("items"), dict):
        node["items"] = {"anyOf": places} if len(places) > 1 else places[0]
        walk.lose("schema prefixItems", "the order of the items is not said")
    return node


def few_items(walk: Walk, node: Json) -> Json:
    """minItems: 0 and 1 are taken."""
    if node["minItems"] not in (0, 1):
        walk.say(node, "minItems")
    return node


def one_type(walk: Walk, node: Json) -> Json:
    """type: one; several become an anyOf, and null becomes nullable."""
    if not isinstance(node["type"], list):
        return node
    names = types_of(node)
    if "null" in names:
        node["nullable"] = True
    others = [name for name in names if name != "null"]
    if len(others) == 1:
        node["type"] = others[0]
        return node
    del node["type"]
    if others and "anyOf" not in node:
        node["anyOf"] = [{"type": name} for name in others]
    return node


def nullable_choice(walk: Walk, node: Json) -> Json:
    """anyOf: without null among its choices, and no anyOf of one."""
    choices = [one for one in node["anyOf"] if isinstance(one, dict)] if isinstance(node["anyOf"], list) else []
    others = [one for one in choices if types_of(one) != ["null"]]
    if len(others) < len(choices):
        node["nullable"] = True
    if len(others) == 1:
        del node["anyOf"]
        return walk.rewritten({**others[0], **node})
    node["anyOf"] = others
    return node


def text_enum(walk: Walk, node: Json) -> Json:
    """enum: of texts, none of them empty; others are said in words."""
    values = node["enum"] if isinstance(node["enum"], list) else []
    if None in values:
        node["nullable"] = True
        values = [value for value in values if value is not None]
    if not values or not all(isinstance(value, str) for value in values):
        walk.say(node, "enum")
        return node
    node["enum"] = [value for value in values if value]
    node.setdefault("type", "string")
    if len(node["enum"]) < len(values):
        walk.lose("schema enum", "an empty text cannot be one of its values")
    if not node["enum"]:
        del node["enum"]
    return node


def only_named(walk: Walk, node: Json) -> Json:
    """additionalProperties: false goes without saying there, anything else is said in words."""
    if node["additionalProperties"] is False:
        del node["additionalProperties"]
    else:
        walk.say(node, "additionalProperties")
    return node


def known_required(walk: Walk, node: Json) -> Json:
    """required: names of properties that are there."""
    properties = node.get("properties")
    known = [name for name in names_in(node["required"]) if isinstance(properties, dict) and name in properties]
    if known:
        node["required"] = known
    else:
        del node["required"]
    return node


def one_example(walk: Walk, node: Json) -> Json:
    """examples: the first as `example`."""
    examples = node.pop("examples")
    if isinstance(examples, list) and examples:
        node.setdefault("example", examples[0])
    return node
