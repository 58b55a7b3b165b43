"""What OpenAI's models refuse, by their names: a field that a model does not take is answered with 400.

Sources: OpenAI "Reasoning models", "Using GPT-5.2", the models' own pages; what OpenCode sends to gpt-5.4-nano
(temperature beside effort none); accessed 2026-11-21. A model that is not OpenAI's is believed to take everything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ringlet_mitm.addons.wire.canonical import Effort

ALL = tuple(Effort)
_LOW_TO_HIGH = (Effort.LOW, Effort.MEDIUM, Effort.HIGH)
# From which version of GPT on, which efforts there are.
_EFFORTS: tuple[tuple[tuple[int, int], tuple[Effort, ...]], ...] = (
    ((5, 6), (Effort.NONE, *_LOW_TO_HIGH, Effort.XHIGH, Effort.MAX)),
    ((5, 2), (Effort.NONE, *_LOW_TO_HIGH, Effort.XHIGH)),
    ((5, 1), (Effort.NONE, *_LOW_TO_HIGH)),
    ((5, 0), (Effort.MINIMAL, *_LOW_TO_HIGH)),
)
_GPT = re.compile(r"(?:^|[/:.])gpt-(\d{1,3})(?:\.(\d{1,3}))?(?![\d.])(.*)")
_OTHER_REASONERS = re.compile(r"(?:^|[/:.])(?:o\d|codex-|gpt-oss)")


@dataclass(frozen=True, slots=True)
class Traits:
    """`reasons` is None for a model that we do not know; `samples` is whether it takes temperature and the like, which
    some do only while they do not think."""

    reasons: bool | None
    efforts: tuple[Effort, ...] = ALL
    samples: bool = True
    samples_unthinking: bool = True


UNKNOWN = Traits(None)
_UNTHINKING = Traits(False)


def traits(model: str) -> Traits:
    """What is known of a model by its name."""
    name = model.lower()
    found = _GPT.search(name)
    if found:
        return _of_gpt((int(found[1]), int(found[2] or 0)), found[3])
    if _OTHER_REASONERS.search(name):
        samples = "gpt-oss" in name
        return Traits(True, _LOW_TO_HIGH, samples, samples)
    return UNKNOWN


def _of_gpt(version: tuple[int, int], kind: str) -> Traits:
    if version < (5, 0) or "chat" in kind:
        return _UNTHINKING
    efforts = next(row for since, row in _EFFORTS if version >= since)
    if "codex" in kind and version < (5, 2):
        efforts = (*_LOW_TO_HIGH, Effort.XHIGH) if "max" in kind else _LOW_TO_HIGH
    return Traits(True, efforts, False, Effort.NONE in efforts)


def nearest(effort: Effort, efforts: tuple[Effort, ...]) -> Effort:
    """The one of `efforts` that comes closest; of two equally close ones the lesser."""
    place = ALL.index(effort)
    return min(efforts, key=lambda one: (abs(ALL.index(one) - place), ALL.index(one)))
