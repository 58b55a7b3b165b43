"""A rule that sends its sessions to several places: which of its arms a session takes.

A hash of who asks and of the arm is drawn for each arm, and the arm with the highest score takes it (rendezvous
hashing, with weights: Schindelhauer and Schomaker, "Weighted Distributed Hash Tables", 2005). So a session stays where
it is as long as the file says the same, over restarts and on any machine; and raising a weight, or adding an arm, moves
sessions to that arm and none between the others. Rejected: a hash compared with running sums of the weights. There a
change of the first weight moves sessions at every border after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, log
from typing import cast

from pydantic import ValidationInfo
from pydantic_core import PydanticCustomError
from xxhash import xxh3_64_intdigest

from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.naming import ProviderNames
from ringlet_mitm.rules.routes import Route, named_route

SPLIT = "split"
# What a float holds exactly, less the half that keeps it away from both ends.
BITS = 52
# Weights are only compared with each other: more than this is a slip of the pen.
MOST_WEIGHT = 1_000_000


@dataclass(frozen=True, slots=True)
class Arm:
    """One place of a split, and how much of it goes there, compared with the other arms."""

    route: Route
    weight: float

    @property
    def name(self) -> str:
        """As rows and reports say it: `groq/llama-3.3-70b-versatile`, `anthropic`."""
        return str(self.route)


def chosen(arms: tuple[Arm, ...], who: str) -> Arm:
    """The arm for `who`, a session or a request; always the same for the same arms."""
    return max(arms, key=lambda arm: (arm.weight / -log(_draw(f"{who}\0{arm.name}")), arm.name))


def within(who: str, percent: float) -> bool:
    """Whether `who` is among so many of a hundred; whoever is in it stays when there are more."""
    return percent >= 100 or 100 * _draw(who) < percent


def shares(arms: tuple[Arm, ...]) -> dict[str, float]:
    """What part each arm gets, 0 to 1."""
    whole = sum(arm.weight for arm in arms)
    return {arm.name: arm.weight / whole for arm in arms}


def share_words(parts: Mapping[str, float]) -> str:
    """What `shares` gives as `20 % groq/llama-3.3-70b-versatile, 80 % anthropic`."""
    return ", ".join(f"{100 * share:.3g} % {name}" for name, share in parts.items())


def split_of(value: object, info: ValidationInfo) -> tuple[Arm, ...]:
    """`split`, for pydantic: what `to` takes, each with a weight."""
    if not isinstance(value, dict):
        raise _wrong('has to be a table of weights, as in split = { "groq" = 20, "anthropic" = 80 }')
    arms: dict[str, Arm] = {}
    for name, weight in value.items():
        arm = Arm(_route(name, cast(ProviderNames, info.context)), _weight(name, weight))
        if arm.name in arms:
            raise _wrong(f"'{name}' is '{arm.name}', which is there already; add the weights up")
        arms[arm.name] = arm
    if len(arms) < 2:
        raise _wrong('needs two arms or more; for one place say to = "…"')
    return tuple(arms.values())


def _draw(who: str) -> float:
    """A number above 0 and below 1, evenly spread over everything that can be asked for."""
    drawn: int = xxh3_64_intdigest(who.encode("utf-8", "replace")) >> (64 - BITS)
    return (drawn + 0.5) / (1 << BITS)


def _route(name: str, providers: ProviderNames) -> Route:
    try:
        return named_route(name, providers)
    except ConfigError as error:
        raise _wrong(error.message, error.suggestion) from None


def _weight(name: str, weight: object) -> float:
    if isinstance(weight, dict):
        raise _wrong(f"'{name}': a name with a dot or a slash has to be in quotes")
    if isinstance(weight, bool) or not isinstance(weight, int | float):
        raise _wrong(f"'{name}' has to be a number: its part, compared with the other arms")
    if not isfinite(weight) or not 0 < weight <= MOST_WEIGHT:
        raise _wrong(f"'{name}' has to be more than 0 and at most {MOST_WEIGHT:,}")
    return float(weight)


def _wrong(said: str, suggestion: str | None = None) -> PydanticCustomError:
    return PydanticCustomError("split", "{said}", {"said": said, "suggestion": suggestion})
