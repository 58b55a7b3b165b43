"""Which views a report needs: making all of them takes a tenth of a second of its time (measured 2026-11)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

COMMENT = re.compile(r"^--.*$", re.M)
SOURCE = re.compile(r"\b(?:FROM|JOIN)\s+(\w+)")


def chosen(texts: Mapping[str, str], names: Collection[str] | None) -> list[str]:
    """Of the SQL files (`10_spend` and its text) those of the views `names` and of what these are made of, in order.

    All of them where `names` is None.
    """
    if names is None:
        return list(texts.values())
    made_of = {stem.partition("_")[2]: SOURCE.findall(COMMENT.sub("", text)) for stem, text in texts.items()}
    wanted: set[str] = set()
    waiting = [name for name in names if name in made_of]
    while waiting:
        name = waiting.pop()
        wanted.add(name)
        waiting += [source for source in made_of[name] if source in made_of and source not in wanted]
    return [text for stem, text in texts.items() if stem.partition("_")[2] in wanted]
