"""Keys that a config.toml does not have: misspelt, in the wrong place, or as other programs have them.

People bring `[provider]`, `primary = …` and `[provider.openrouter]` from elsewhere. "unknown key" would be true and no
help, so for each of these it is said what to write instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ringlet_mitm.rules.document import Document, KeyPath
from ringlet_mitm.rules.errors import ConfigError, nearest
from ringlet_mitm.rules.redaction import masked

Known = Mapping[str, tuple[str, ...]]

PROVIDER_BLOCKS = ("provider", "providers", "llm", "models")
PAIR = ("primary", "fallback", "fallbacks")
# What a [provider] block may call the one thing that is wanted of it.
PROVIDER_NAMES = ("name", "default", "primary", "provider", "id", "type", "kind", "default_provider")
ROUTING_KEYS = ("rule", "rules", "default", "limits")
ROUTE_SPELLINGS = ("model_route", "routes", "route", "model_routing")
TOP = ""


def strangers(document: Document, known: Known) -> Iterator[ConfigError]:
    """An error for each key that is not `known`; `known` has the keys of each section, the top's under ""."""
    for key, value in document.data.items():
        name = _snake(key)
        if name not in known[TOP]:
            yield _at_top(document, key, value, known)
        elif name == "model_routes":
            yield from _in_routes(document, key, value, known)
        elif name == "reliability" and isinstance(value, dict):
            yield from _in_section(document, (key,), value, name, known)


def _in_routes(document: Document, key: str, value: Any, known: Known) -> Iterator[ConfigError]:
    if isinstance(value, dict) or (isinstance(value, list) and not all(isinstance(one, dict) for one in value)):
        yield document.error((key,), "has to be written as [[model_routes]], with double brackets")
    elif isinstance(value, list):
        for index, route in enumerate(value):
            yield from _in_section(document, (key, index), route, "model_routes", known)


def _at_top(document: Document, key: str, value: Any, known: Known) -> ConfigError:
    name = _snake(key)
    if name in PROVIDER_BLOCKS and isinstance(value, dict):
        return _provider_block(document, key, value)
    if name in PAIR:
        return _pair(document, key, value)
    if name in ROUTING_KEYS and isinstance(value, dict | list):
        return document.error((key,), "belongs into the routing.toml of a profile: profiles/NAME/routing.toml")
    if name in ROUTE_SPELLINGS:
        return document.error((key,), "unknown key; routes by model name are written as [[model_routes]]")
    if name == "provider":
        return document.error((key,), f"unknown key; write default_provider = {_quoted(value)}")
    if name == "model":
        return document.error((key,), f"unknown key; write default_model = {_quoted(value)}")
    if name in known["reliability"]:
        return document.error((key,), "belongs under [reliability]")
    return _unknown(document, (key,), known[TOP])


def _provider_block(document: Document, key: str, value: dict[str, Any]) -> ConfigError:
    """`[provider]` and `[provider.NAME]`."""
    blocks = [name for name, inner in value.items() if isinstance(inner, dict)]
    if blocks:
        message = (
            f'there are no [{key}.NAME] blocks; write default_provider = "{masked(blocks[0])}" with its api_key and '
            "api_url at the top of the file, and a [[model_routes]] with hint, provider and api_key for each other one"
        )
        return document.error((key, blocks[0]), message)
    names = (inner for name, inner in value.items() if _snake(name) in PROVIDER_NAMES and isinstance(inner, str))
    return document.error(
        (key,),
        f"there is no [{key}] block; write default_provider = {_quoted(next(names, None))} at the top of the file, "
        "beside default_model, api_key and api_url",
    )


def _pair(document: Document, key: str, value: Any) -> ConfigError:
    """`primary = …`, `fallback = …`."""
    if _snake(key) == "primary":
        instead = f"default_provider = {_quoted(value)}"
    else:
        names = value if isinstance(value, list) else [value]
        instead = f"fallback_providers = [{', '.join(map(_quoted, names))}] under [reliability]"
    return document.error((key,), f"there is no pair of primary and fallback; write {instead}")


def _in_section(
    document: Document, path: KeyPath, table: Mapping[str, Any], section: str, known: Known
) -> Iterator[ConfigError]:
    for key in table:
        name = _snake(key)
        if name in known[section]:
            continue
        if name in known[TOP]:
            # TOML: whatever follows a [header] belongs to it.
            yield document.error((*path, key), "stands below a table; move it to the top of the file")
        elif name in PAIR:
            yield _moved(document, path, key, table[key])
        else:
            yield _unknown(document, (*path, key), known[section])


def _moved(document: Document, path: KeyPath, key: str, value: Any) -> ConfigError:
    said = _pair(document, key, value)
    return document.error((*path, key), said.message)


def _unknown(document: Document, path: KeyPath, known: tuple[str, ...]) -> ConfigError:
    close = nearest(_snake(str(path[-1])), known)
    return document.error(path, "unknown key" if close else f"unknown key; there are {', '.join(known)}", close)


def _snake(key: str) -> str:
    return key.replace("-", "_")


def _quoted(value: object) -> str:
    return f'"{masked(value)}"' if isinstance(value, str) and value else '"…"'
