"""What each Claude accepts, by the version in its name; every cell is a 400 that somebody got.

A name says family and version in one of several ways: `claude-opus-4-8`, `claude-3-7-sonnet-20250219`,
`anthropic/claude-4.7-opus`, `anthropic.claude-sonnet-4-6-v1:0`. A Claude without a version is taken for the newest.
Models of other vendors that speak Messages (MiniMax, Kimi, GLM, DeepSeek) get what the API was in 2025: budgets,
temperatures, no schemas.

Sources: Anthropic's pages on thinking, effort, structured outputs, tool choice, mid-conversation system messages and
the migration guides of Opus 4.6 to Haiku 5.5; accessed 2026-11-21.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from ringlet_mitm.addons.wire.canonical import Effort

NEWEST = (5, 5)
EFFORTS_4_6 = (Effort.LOW, Effort.MEDIUM, Effort.HIGH, Effort.MAX)
EFFORTS = (Effort.LOW, Effort.MEDIUM, Effort.HIGH, Effort.XHIGH, Effort.MAX)
_FAMILIES = "opus|sonnet|haiku|fable|mythos"
_NAME = re.compile(
    rf"claude-(?:(?P<family>{_FAMILIES})-)?(?P<major>\d{{1,2}})(?!\d)(?:[-.](?P<minor>\d{{1,2}})(?!\d))?"
    rf"(?:-(?P<behind>{_FAMILIES}))?"
)
_VERSIONLESS = re.compile(rf"claude(?:-(?P<family>{_FAMILIES}))?")


@dataclass(frozen=True, slots=True)
class Family:
    """What a model takes.

    `adaptive`: it thinks as hard as `efforts` say rather than by a budget. `by_default`: it thinks unless told not to,
    `always`: whatever it is told. `forced`: a tool can be forced. `prefill`: the last message may be the assistant's.
    `system_turns`: a system message may stand among the messages. `most_tokens` is the longest answer, 0 if unknown.
    """

    thinks: bool = True
    adaptive: bool = False
    by_default: bool = False
    always: bool = False
    efforts: tuple[Effort, ...] = ()
    sampling: bool = True
    temperature_with_top_p: bool = True
    forced: bool = True
    prefill: bool = True
    schemas: bool = False
    server_tools: bool = False
    system_turns: bool = False
    most_tokens: int = 0


OTHER_VENDORS = Family()


@lru_cache(maxsize=256)
def family_of(model: str) -> Family:
    """What the model of that name takes."""
    found = _NAME.search(model)
    if found is not None:
        version = (int(found["major"]), int(found["minor"] or 0))
        return _family(model, found["family"] or found["behind"] or "", version)
    other = _VERSIONLESS.search(model)
    return OTHER_VENDORS if other is None else _family(model, other["family"] or "", NEWEST)


def _family(model: str, name: str, version: tuple[int, int]) -> Family:
    always = name in ("fable", "mythos") or version >= (5, 5)
    adaptive = always or version >= (4, 6)
    return Family(
        thinks=version >= (3, 7),
        adaptive=adaptive,
        by_default=always or version >= (5, 0),
        always=always,
        efforts=() if not adaptive else EFFORTS_4_6 if version == (4, 6) else EFFORTS,
        sampling=not always and version < (4, 7),
        temperature_with_top_p=version < (4, 1),
        # Fable and Mythos 5 think always and can be forced all the same; 5.1 refuses.
        forced=version < (5, 1),
        prefill=not adaptive,
        schemas=version >= (4, 5) or (name == "opus" and version >= (4, 1)),
        server_tools=version >= (3, 7),
        # On Anthropic's own API only, where names have nothing in front.
        system_turns=version >= (4, 8) and model.startswith("claude"),
        most_tokens=_most_tokens(name, version),
    )


def _most_tokens(name: str, version: tuple[int, int]) -> int:
    if version < (3, 7):
        return 8192 if version == (3, 5) else 4096
    if version < (4, 6):
        return 32_000 if name == "opus" and version < (4, 5) else 64_000
    return 128_000
