"""Routing files to begin with, one a purpose: `presets/*.toml`, whole and with comments.

What a file needs is read from its rules. Where several places would do, it has a line for each, one below the other,
and all but one behind a `#`; so a person changes the place by moving the `#`, and `fitted` does the same for the keys
that are there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ringlet_mitm.rules.errors import UsageError, nearest
from ringlet_mitm.rules.naming import PASSTHROUGH

FOLDER = Path(__file__).parent / "presets"
# `to = "groq/llama-3.3-70b-versatile" # GROQ_API_KEY`, maybe behind a `#`.
PLACE = re.compile(r'(?P<off># )?to = "(?P<to>[^"]+)".*')
OFF = "# "


@dataclass(frozen=True, slots=True)
class Place:
    """One of the places that would do; `line` counts from 0, `taken` says that it is not behind a `#`."""

    line: int
    to: str
    taken: bool

    @property
    def provider(self) -> str:
        """The provider's name as the file has it, or `passthrough`."""
        return self.to.partition("/")[0]


@dataclass(frozen=True, slots=True)
class RulePreset:
    """A routing file by name; its first line says what it is for."""

    name: str
    text: str

    @property
    def summary(self) -> str:
        """What it does, as a sentence."""
        return self.text.partition("\n")[0].removeprefix("# ")

    @property
    def choices(self) -> tuple[tuple[Place, ...], ...]:
        """For each rule that needs a provider the places that would do, the one to prefer first."""
        return tuple(places for places in _choices(self.text) if places[0].to != PASSTHROUGH)

    @property
    def goals(self) -> tuple[str, ...]:
        """Where its rules go, but for where the agent asked to go."""
        return tuple(dict.fromkeys(place.to for places in self.choices for place in places if place.taken))

    def fitted(self, usable: Callable[[str], bool]) -> RulePreset:
        """The same with the first place of each rule whose provider is `usable`; a rule without any stays as it is."""
        lines = self.text.splitlines()
        for places in self.choices:
            chosen = next((place for place in places if usable(place.provider)), None)
            for place in places if chosen else ():
                said = lines[place.line].removeprefix(OFF)
                lines[place.line] = said if place is chosen else f"{OFF}{said}"
        return RulePreset(self.name, "\n".join(lines) + "\n")


@cache
def rule_presets() -> tuple[RulePreset, ...]:
    """All of them, by name."""
    return tuple(RulePreset(path.stem, path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.toml")))


def rule_preset(name: str) -> RulePreset:
    """The one of that name; raises UsageError with the nearest that there is."""
    found = next((preset for preset in rule_presets() if preset.name == name), None)
    if found is None:
        known = [preset.name for preset in rule_presets()]
        guess = nearest(name, known)
        raise UsageError(f"no preset '{name}'; " + (f"is it '{guess}'?" if guess else f"there are {', '.join(known)}"))
    return found


def _choices(text: str) -> Iterator[tuple[Place, ...]]:
    """Lines of places that stand together are one choice."""
    together: list[Place] = []
    for number, line in enumerate((*text.splitlines(), "")):
        found = PLACE.fullmatch(line)
        if found:
            together.append(Place(number, found["to"], taken=found["off"] is None))
        elif together:
            yield tuple(together)
            together = []
