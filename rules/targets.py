"""From a route to the chain of targets to try."""

from __future__ import annotations

from dataclasses import dataclass

from ringlet_mitm.rules.providers import Endpoint, KeyRef
from ringlet_mitm.rules.shapes import WireFormat


@dataclass(frozen=True, slots=True)
class Target:
    """One place to send a request to.

    `as_asked` means the host that the agent itself asked for: its path, query and credentials stay.
    `model` is the name to ask for there; equal to the requested one where nothing changes.
    """

    provider: str
    model: str
    format: WireFormat
    endpoint: Endpoint
    auth: str
    key_ref: KeyRef | None
    as_asked: bool = False
