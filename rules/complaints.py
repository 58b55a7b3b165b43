"""What is wrong with a routing file, in words: pydantic's findings as errors with line, key and what would be right.

pydantic says what its schema missed ("Input should be a valid boolean"); the person who edits the file needs to know
what the *key* takes. So the words here come from the table of conditions, chosen by where the finding lies.
"""

from __future__ import annotations

from typing import Any

from pydantic_core import ErrorDetails

from ringlet_mitm.rules.conditions import CONDITIONS
from ringlet_mitm.rules.document import Document, KeyPath
from ringlet_mitm.rules.errors import ConfigError, nearest
from ringlet_mitm.rules.matching import COMBINATORS, MATCH_KEYS
from ringlet_mitm.rules.policies import POLICY_KEYS
from ringlet_mitm.rules.shadowing import SHADOW_KEYS

UNKNOWN_KEY = frozenset({"extra_forbidden", "unexpected_keyword_argument"})
# Raised by our own validators, with the words to print.
OWN_WORDS = frozenset({"provider", "empty_match", "spelled_twice", "split", "shadow"})
SAID = {
    "missing": "is missing",
    "int_type": "has to be a whole number",
    "string_type": "has to be text in quotes",
    "string_too_short": "is empty",
    "dataclass_type": "has to be a table",
    "no_table": "has to be a table of conditions",
}
ROUTE_KEYS = ("to", "split", "model", "fallback", "shadow", *POLICY_KEYS)
RULE_KEYS = ("name", "match", "sticky", *ROUTE_KEYS)
SAID_AT: dict[tuple[str, str], str] = {
    ("tuple_type", "fallback"): 'has to be a list of what `to` takes, as in fallback = ["openrouter"]',
    ("literal_error", "sticky"): 'has to be "session"; a rule that keeps nothing goes without it',
    ("tuple_type", "rule"): "has to be written as [[rule]], with double brackets",
    ("missing", "match"): "is missing; `match = { always = true }` takes every request",
}


def complaint(details: ErrorDetails, document: Document) -> ConfigError:
    """One finding as an error. `document` is the one that was validated."""
    path = as_written(details["loc"], document)
    kind = details["type"]
    if kind in UNKNOWN_KEY:
        return _unknown_key(path, document)
    if kind in OWN_WORDS:
        return document.error(path, details["msg"], details.get("ctx", {}).get("suggestion"))
    return document.error(path, _words(kind, details))


def as_written(loc: tuple[int | str, ...], document: Document) -> KeyPath:
    """A place in the file's own spelling; pydantic knows conditions and keys by their kebab-case names."""
    path: KeyPath = ()
    for step in loc:
        if step == "[key]":
            continue
        snake = step.replace("-", "_") if isinstance(step, str) else step
        path = (*path, snake if (*path, snake) in document.lines else step)
    return path


def _unknown_key(path: KeyPath, document: Document) -> ConfigError:
    parents = [step for step in path[:-1] if isinstance(step, str)]
    word = str(path[-1]).replace("_", "-")
    if "match" in parents:
        found = nearest(word, MATCH_KEYS)
        message = "unknown condition" if found else "unknown condition; `ringlet-mitm rules conditions` lists them"
        if not found and word in RULE_KEYS:
            message = "is a key of the rule and no condition: it belongs beside `match`"
        return document.error(path, message, found)
    if parents == ["rule"] and word in MATCH_KEYS:
        return document.error(path, f"belongs inside the rule's match = {{ {word} = … }}")
    if parents == ["default"] and word == "sticky":
        return document.error(path, "is for a [[rule]]: the default is asked last, so there is nothing it could keep")
    other = (*path[:-1], str(path[-1]).replace("_", "-") if "_" in str(path[-1]) else str(path[-1]).replace("-", "_"))
    if other != path and other in document.lines:
        return document.error(path, f"stands here twice, also as '{other[-1]}'")
    known = {
        "": ("rule", "default", "limits", "shadow"),
        "rule": RULE_KEYS,
        "default": ROUTE_KEYS,
        "shadow": SHADOW_KEYS,
    }
    keys = known[parents[0] if parents else ""]
    found = nearest(word, keys)
    return document.error(path, "unknown key" if found else f"unknown key; there are {', '.join(keys)}", found)


def _words(kind: str, details: ErrorDetails) -> str:
    names = [step for step in details["loc"] if isinstance(step, str)]
    last = names[-1] if names else ""
    if "match" in names:
        condition = next((CONDITIONS[name] for name in names if name in CONDITIONS), None)
        if condition is not None:
            return f"has to be {condition.kind.expects}, not {_shown(details['input'])}"
        if kind in ("list_type", "too_short") and last in COMBINATORS:
            return f"has to be a list of tables: {last} = [ {{ … }}, {{ … }} ]"
    return SAID_AT.get((kind, last)) or SAID.get(kind) or details["msg"]


def _shown(value: Any) -> str:
    """A value as TOML would have it, if it is short."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 40 else f"{text[:38]}…"
