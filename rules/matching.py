"""What a rule asks for: conditions, all of which have to hold, and the combinators `any`, `all` and `not` around them.

A `match` table becomes a small tree once, when the file is read; the tree becomes one closure that answers true,
false or unknown. Unknown follows Kleene's logic: a part that fails settles `all` and a part that holds settles `any`,
whatever the unknown ones are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from ringlet_mitm.rules.conditions import CONDITIONS, UNKNOWN, Cost, Term, Test, Truth
from ringlet_mitm.rules.peek import RequestFeatures

# Name: an example of the value, and the help.
COMBINATORS = {
    "any": ("[ { … }, { … } ]", "at least one of the tables holds"),
    "all": ("[ { … }, { … } ]", "each of the tables holds"),
    "not": ("{ … }", "the table does not hold"),
}
MATCH_KEYS = (*CONDITIONS, *COMBINATORS)


def reference() -> tuple[tuple[str, str], ...]:
    """Everything that a `match` table may hold: an example of each, as TOML, and what it means."""
    conditions = ((f"{row.name} = {row.example}", row.help) for row in CONDITIONS.values())
    combinators = ((f"{name} = {example}", help_) for name, (example, help_) in COMBINATORS.items())
    return (*conditions, *combinators)


@dataclass(frozen=True, slots=True)
class Match:
    """All parts hold, in the order in which they were written. Also what pydantic makes of a `match` table."""

    parts: tuple[Node, ...]

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Derived from the table of conditions: a mirror of it as a class would be a second list to keep."""
        again = core_schema.definition_reference_schema("ringlet.Match")
        listed = core_schema.list_schema(again, min_length=1)
        kinds = {name: handler.generate_schema(row.kind.annotation) for name, row in CONDITIONS.items()}
        fields = {**kinds, "any": listed, "all": listed, "not": again}
        table = core_schema.typed_dict_schema(
            {name: core_schema.typed_dict_field(schema, required=False) for name, schema in fields.items()},
            extra_behavior="forbid",
        )
        return core_schema.no_info_wrap_validator_function(_match_of, table, ref="ringlet.Match")


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One part holds."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Match


Node = Term | Match | AnyOf | Not


def _kebab(table: dict[str, Any]) -> dict[str, Any]:
    """`tool_use` means `tool-use`. Only the keys of this table: a header's name keeps its underscores."""
    if not table:
        raise PydanticCustomError("empty_match", "is empty; write `always = true` to match every request")
    spelled: dict[str, Any] = {}
    for name, value in table.items():
        kebab = name.replace("_", "-")
        if kebab in spelled:
            raise PydanticCustomError("spelled_twice", "has '{name}' in both spellings", {"name": kebab})
        spelled[kebab] = value
    return spelled


def _match_of(table: object, validate: ValidatorFunctionWrapHandler) -> Match:
    """The parts in the order as written, since a rule's label follows it."""
    if not isinstance(table, dict):
        raise PydanticCustomError("no_table", "must be a table of conditions")
    spelled = _kebab(table)
    values: dict[str, Any] = validate(spelled)
    parts: list[Node] = []
    for name in spelled:
        match name:
            case "any":
                parts.append(AnyOf(tuple(values[name])))
            case "all":
                parts.append(Match(tuple(values[name])))
            case "not":
                parts.append(Not(values[name]))
            case _:
                parts += CONDITIONS[name].terms(values[name])
    return Match(tuple(parts))


def cost_of(node: Node) -> Cost:
    """That of the costliest part."""
    match node:
        case Term():
            return node.cost
        case Not():
            return cost_of(node.part)
        case Match() | AnyOf():
            return max(cost_of(part) for part in node.parts)


def compiled(node: Node, tested: Callable[[Term], Test] = Term.test) -> Test:
    """One closure for the whole tree; cheap parts are tested before costly ones. `tested` gives a condition's test."""
    match node:
        case Term():
            return tested(node)
        case Not():
            return _negated(compiled(node.part, tested))
    tests = tuple(compiled(part, tested) for part in sorted(node.parts, key=cost_of))
    if len(tests) == 1:
        return tests[0]
    return _settled_by(isinstance(node, AnyOf), tests)


def _negated(test: Test) -> Test:
    def negated(features: RequestFeatures, low: int, high: int) -> Truth:
        truth = test(features, low, high)
        return truth if truth is UNKNOWN else not truth

    return negated


def _settled_by(settling: bool, tests: tuple[Test, ...]) -> Test:
    """`settling` as soon as a test says so, else UNKNOWN if one does, else the opposite."""

    def test(features: RequestFeatures, low: int, high: int) -> Truth:
        otherwise: Truth = not settling
        for each in tests:
            truth = each(features, low, high)
            if truth is UNKNOWN:
                otherwise = UNKNOWN
            elif truth is settling:
                return settling
        return otherwise

    return test


def words(node: Node, detail: bool = False) -> str:
    """A short name: `tool-use+thinking`, `not-stream`, `has-images|messages-gt`; with `detail` also the values."""
    match node:
        case Term():
            return node.detail if detail else node.label
        case Not():
            inner = words(node.part, detail)
            return f"not-({inner})" if "+" in inner or "|" in inner else f"not-{inner}"
        case Match():
            return _joined("+", "|", [words(part, detail) for part in node.parts])
        case AnyOf():
            return _joined("|", "+", [words(part, detail) for part in node.parts])


def _joined(sign: str, other: str, texts: list[str]) -> str:
    """With brackets around what the other sign joins."""
    if len(texts) == 1:
        return texts[0]
    return sign.join(f"({text})" if other in text else text for text in texts)


def walk(node: Node, depth: int = 0) -> Iterator[tuple[int, Node]]:
    """Every part with its depth, in the order in which it was written; a rule's own `match` is not counted as one."""
    inner = (node.part,) if isinstance(node, Not) else () if isinstance(node, Term) else node.parts
    for part in inner:
        if isinstance(part, Match) and (len(part.parts) == 1 or isinstance(node, Not)):
            yield from walk(part, depth)
        else:
            yield depth, part
            yield from walk(part, depth + 1)
