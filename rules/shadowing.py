"""`[shadow]` of a routing file: how much copies may cost that rules send to another model for comparison."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import Annotated, ClassVar

from pydantic import ConfigDict, PlainValidator
from pydantic_core import PydanticCustomError

SHADOW = "shadow"
SHADOW_KEYS = ("usd-per-day", "share", "max-tokens")
# Of anything: beyond it is a slip of the pen.
MOST = 10**12


def label_of(rule: str) -> str:
    """What the copies of a rule's requests are counted under; `rule` is its label."""
    return f"{SHADOW} of {rule}"


def _usd(value: object) -> Decimal:
    return Decimal(str(_number(value, MOST)))


def _percent(value: object) -> float:
    return float(_number(value, 100))


def _tokens(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong("has to be a whole number")
    if not 0 < value <= MOST:
        raise _wrong(f"has to be 1 to {MOST:,}")
    return value


def _number(value: object, most: int) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong("has to be a number")
    if not isfinite(value) or not 0 <= value <= most:
        raise _wrong(f"has to be 0 to {most:,}")
    return value


def _wrong(said: str) -> PydanticCustomError:
    return PydanticCustomError("shadow", "{said}", {"said": said})


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadowing:
    """What holds for all copies of a profile.

    `usd_per_day` is what they may cost on a day of the calendar, `share` of how many conversations in a hundred they
    are made, and `max_tokens` of how long a request at the most, in input tokens.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", alias_generator=lambda name: name.replace("_", "-"), populate_by_name=True
    )

    usd_per_day: Annotated[Decimal, PlainValidator(_usd)] = Decimal(1)
    share: Annotated[float, PlainValidator(_percent)] = 100.0
    max_tokens: Annotated[int | None, PlainValidator(_tokens)] = None


USUAL = Shadowing()
