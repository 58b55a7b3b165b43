"""The events of a stream, in the canonical form (see `canonical.py`).

Blocks are numbered from 0 in the order in which they begin; several may be open at once (parallel calls, interleaved).
A Started is followed by what it announces and, at last, Finished and Ended, or by Failed. A renderer copes with blocks
that are still open at Finished: they end there.
"""

from __future__ import annotations

from dataclasses import dataclass

from ringlet_mitm.addons.wire.blocks import Block, Native, Stop
from ringlet_mitm.rules.failures import ProviderError
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import WireFormat


@dataclass(frozen=True, slots=True)
class Started:
    """The answer begins."""

    id: str
    model: str
    usage: Usage | None = None
    created: int | None = None
    native: Native | None = None


@dataclass(frozen=True, slots=True)
class BlockStarted:
    """A block begins: Text, Thinking, ToolCall or Refusal with what is known yet (name, id; text empty), or a whole
    block that comes in one piece (Foreign, Media)."""

    index: int
    block: Block


@dataclass(frozen=True, slots=True)
class Delta:
    """More text of a block: of a Text, Thinking or Refusal, or of a ToolCall's arguments."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class Signed:
    """The signature of a Thinking block; replaces one given before."""

    index: int
    signature: str
    signer: WireFormat


@dataclass(frozen=True, slots=True)
class BlockEnded:
    """A block is complete. `block` is its final form where the format says it at the end (Responses), else None."""

    index: int
    block: Block | None = None


@dataclass(frozen=True, slots=True)
class UsageSeen:
    """The provider reports usage; a later one replaces an earlier one."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class Finished:
    """The model stopped."""

    stop: Stop
    stop_sequence: str | None = None
    stop_said: str = ""
    native: Native | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The stream is complete, nothing follows."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The provider ends the stream with an error; nothing follows. `status` is the HTTP status that fits."""

    error: ProviderError
    status: int = 500


@dataclass(frozen=True, slots=True)
class Ping:
    """A sign of life."""


Event = Started | BlockStarted | Delta | Signed | BlockEnded | UsageSeen | Finished | Ended | Failed | Ping
