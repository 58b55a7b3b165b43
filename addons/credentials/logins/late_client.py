"""A client that is loaded when the first login is renewed, not when the proxy starts: httpx takes 0.1 s and 10 MB."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from ringlet_mitm.addons.connect_to import Detour
from ringlet_mitm.addons.credentials.logins.asking import Answer, Ask, Client

MODULE = "ringlet_mitm.addons.credentials.logins.vendor_client"


@dataclass(frozen=True, slots=True)
class LateClient:
    """Asks as a `VendorClient` with the same detours and CA."""

    detours: tuple[Detour, ...] = ()
    ca: Path | None = None

    def ask(self, ask: Ask) -> Answer:
        """The answer, whatever its status; raises VendorTrouble where there is none."""
        client: Client = import_module(MODULE).VendorClient(self.detours, self.ca)
        return client.ask(ask)
