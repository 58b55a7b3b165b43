"""Made-up values as TOML, for files that have to be loaded or refused, whatever stands in them."""

from __future__ import annotations

from typing import Any


def as_toml(value: Any) -> str:
    """On one line; texts as they are."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(as_toml(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {as_toml(item)}' for key, item in value.items())} }}"
    return f'"{value}"' if isinstance(value, str) else str(value)
