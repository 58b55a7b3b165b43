"""From a TOML document to a frozen dataclass: checked by pydantic, errors in words with file, line and key."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from ringlet_mitm.rules.document import Document, KeyPath
from ringlet_mitm.rules.errors import ConfigError, nearest

T = TypeVar("T")

# pydantic's words are for programmers; these are for whoever edits the file.
SAID = {
    "string_type": "has to be text in quotes",
    "string_too_short": "is empty",
    "int_type": "has to be a whole number",
    "int_parsing": "has to be a whole number",
    "int_from_float": "has to be a whole number",
    "bool_type": "has to be true or false",
    "bool_parsing": "has to be true or false",
    "tuple_type": "has to be a list in brackets",
    "list_type": "has to be a list in brackets",
    "dict_type": "has to be a table",
    "missing": "is missing",
    "unexpected_keyword_argument": "unknown key",
}


def validated(kind: type[T], adapter: TypeAdapter[T], document: Document) -> tuple[T, frozenset[str]]:
    """The document as a `kind`, and which of its fields the document gives.

    Keys may be kebab-case or snake_case. Raises ConfigError for a key that `kind` has no field for, and for a wrong
    value.
    """
    known = {item.name: item.name.replace("_", "-") for item in fields(kind) if item.init}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    spelled: dict[str, str] = {}
    for key, value in document.data.items():
        name = key.replace("-", "_")
        if name not in known:
            raise document.error((key,), "unknown key", nearest(key.replace("_", "-"), known.values()))
        if name in values:
            raise document.error((key,), f"stands here twice, also as '{spelled[name]}'")
        values[name], spelled[name] = value, key
    try:
        return adapter.validate_python(values), frozenset(values)
    except ValidationError as error:
        raise _in_words(error.errors(include_url=False)[0], document, spelled, known) from None


def _in_words(error: ErrorDetails, document: Document, spelled: dict[str, str], known: dict[str, str]) -> ConfigError:
    first, *deeper = error["loc"]
    path: KeyPath = (spelled.get(str(first), known.get(str(first), str(first))),)
    for step in deeper:  # pydantic also puts the branch of a union into the path; only what the document has is a place
        if document.line_of((*path, step)) is not None:
            path = (*path, step)
    if error["type"] in ("literal_error", "enum"):
        wanted = str(error.get("ctx", {}).get("expected", ""))
        choices = [word.strip("' ") for word in wanted.replace(" or ", ",").split(",")]
        return document.error(path, f"has to be {wanted}", nearest(str(error["input"]), choices))
    if error["type"] == "missing" and deeper and path[-1] != deeper[-1]:
        return document.error(path, f"'{deeper[-1]}' is missing")
    message = SAID.get(error["type"]) or error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return document.error(path, message)
