"""The top of a tool's schema: vendors want an object there, with its properties named in one place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ringlet_mitm.addons.wire.blocks import Json
from ringlet_mitm.addons.wire.schema_rewrites import merged
from ringlet_mitm.addons.wire.schema_walk import DEPTH, Walk, add_words, names_in, target_of, types_of, without_ref


def object_top(walk: Walk, node: Json) -> Json:
    """A tool's arguments are an object with properties, whatever the schema says."""
    if "object" not in types_of(node) and node.get("type") is not None:
        walk.lose("schema of arguments", "they have to be an object")
        return {"type": "object", "properties": {}}
    properties = node.get("properties")
    if node.get("type") == "object" and isinstance(properties, dict):
        return node
    return {**node, "type": "object", "properties": properties if isinstance(properties, dict) else {}}


def flat_top(walk: Walk, whole: Json) -> Json:
    """A top level without $ref, allOf, anyOf, oneOf, enum and not; the branches become one object.

    A property is required that every branch requires; what each branch asks for beyond stands in the description.
    """
    node = whole
    definitions: Json = {key: whole[key] for key in ("$defs", "definitions") if key in whole}
    for _ in range(DEPTH):
        if "$ref" not in node or not isinstance(target_of(walk, node["$ref"]), dict):
            break
        node = {**without_ref(walk, node), **definitions}
    if "$ref" in node:
        walk.lose("schema $ref", "it points to nothing")
        node = {key: value for key, value in node.items() if key != "$ref"}
    if not {"allOf", "anyOf", "oneOf", "enum", "not"} & node.keys():
        return node
    node = merged(walk, dict(node)) if isinstance(node.get("allOf"), list) else dict(node)
    for keyword in ("anyOf", "oneOf"):
        choices = node.pop(keyword, None)
        branches = [
            without_ref(walk, one) for one in (choices if isinstance(choices, list) else ()) if isinstance(one, dict)
        ]
        if branches:
            node = _one_of_branches(walk, node, branches)
    for keyword in {"enum", "not", "allOf"} & node.keys():
        walk.say(node, keyword)
    return node


def _one_of_branches(walk: Walk, node: Json, branches: list[Json]) -> Json:
    properties: Json = {}
    for branch in branches:
        found = branch.get("properties")
        for name, inner in found.items() if isinstance(found, dict) else ():
            properties[name] = _either(properties[name], inner) if name in properties else inner
    own = node.get("properties")
    needs = [names_in(branch.get("required")) for branch in branches]
    common = [name for name in needs[0] if all(name in need for need in needs)]
    node["properties"] = {**properties, **(own if isinstance(own, dict) else {})}
    node["required"] = list(dict.fromkeys([*names_in(node.get("required")), *common]))
    node.setdefault("type", "object")
    sets = _phrases([name for name in need if name not in common] for need in needs)
    if sets:
        add_words(node, f"(Needs one of: {'; '.join(sets)}.)")
    walk.lose("schema anyOf", "refused at the top of a tool's arguments; its branches became one object")
    return node


def _phrases(needs: Iterable[list[str]]) -> list[str]:
    return list(dict.fromkeys(", ".join(need) for need in needs if need))


def _either(one: Any, other: Any) -> Any:
    if one == other or not isinstance(one, dict) or not isinstance(other, dict):
        return one
    consts = [part["const"] for part in (one, other) if "const" in part]
    if len(consts) == 2:
        return {**{key: value for key, value in one.items() if key != "const"}, "enum": consts}
    if isinstance(one.get("enum"), list) and "const" in other:
        return {**one, "enum": [*one["enum"], other["const"]]}
    return {"anyOf": [*one["anyOf"], other] if set(one) == {"anyOf"} else [one, other]}
