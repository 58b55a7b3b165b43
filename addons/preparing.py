"""Prepared and signed: what leaves for a target, with the key of that target and no other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ringlet_mitm.addons.credentials.schemes import sign
from ringlet_mitm.addons.credentials.vault import Vault
from ringlet_mitm.addons.live import Live
from ringlet_mitm.addons.outbound import Outbound, Recall, needs_translation, prepare
from ringlet_mitm.addons.splicing import Turn
from ringlet_mitm.rules.errors import RouteError
from ringlet_mitm.rules.targets import Target

# Translating takes about 2 ms for 100 KB; beyond this the other streams would wait too long.
APART_BYTES = 256 * 1024


class Preparer:
    """Makes requests ready to send; `recall` knows the conversations behind answers' ids."""

    def __init__(self, live: Live, vault: Vault, recall: Recall) -> None:
        self._live = live
        self._vault = vault
        self._recall = recall

    async def ready(self, turn: Turn, target: Target) -> tuple[Outbound, str]:
        """The signed request, and the label of the key in it; a long one is translated in a thread."""
        make: Callable[[Turn, Target], tuple[Outbound, str]] = self._prepare
        if len(turn.request.body) > APART_BYTES and needs_translation(turn, target):
            return await asyncio.to_thread(make, turn, target)
        return make(turn, target)

    def _prepare(self, turn: Turn, target: Target) -> tuple[Outbound, str]:
        if target.as_asked and not turn.request.direct:
            return prepare(turn, target, recall=self._recall), "agent"
        secret = self._vault.find(target.key_ref) if target.key_ref else None
        if target.as_asked and secret is None:
            return prepare(turn, target, recall=self._recall), "agent"
        outbound = prepare(turn, target, replace_credentials=True, recall=self._recall)
        if secret is None and target.key_ref and target.auth != "none":
            secret = self._vault.get(target.key_ref, target.provider)
        if secret is not None:
            self._check(target, outbound)
        return sign(outbound, target.auth, secret), secret.label if secret else ""

    def _check(self, target: Target, outbound: Outbound) -> None:
        """A key goes nowhere but to its own provider, whatever a bug elsewhere makes of the address."""
        spec = self._live.ruling.registry.get(target.provider)
        if spec is None or not spec.may_receive_key(outbound.scheme, outbound.host, outbound.port):
            raise RouteError(f"the key of provider '{target.provider}' is not for {outbound.host}:{outbound.port}")
