"""Prepared and signed: what leaves for a target, with the key of that target and no other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from ringlet_mitm.addons.credentials.signing import Signer
from ringlet_mitm.addons.outbound import Outbound, Recall, needs_translation, prepare
from ringlet_mitm.addons.splicing import Turn
from ringlet_mitm.rules.reliability import Attempt
from ringlet_mitm.rules.targets import Target

# Translating takes about 2 ms for 100 KB; beyond this the other streams would wait too long.
APART_BYTES = 256 * 1024


class Preparer:
    """Makes requests ready to send; `recall` knows the conversations behind answers' ids."""

    def __init__(self, signer: Signer, recall: Recall) -> None:
        self._signer = signer
        self._recall = recall

    async def ready(self, turn: Turn, target: Target, apart_bytes: int = APART_BYTES) -> tuple[Outbound, str]:
        """The signed request, and the label of the key in it; one that is longer is translated in a thread."""
        if target.as_asked and not turn.request.direct:
            return await self._prepared(turn, target, apart_bytes, replace_credentials=False), "agent"
        secret = await self._signer.key(target)
        if target.as_asked and secret is None:
            return await self._prepared(turn, target, apart_bytes, replace_credentials=False), "agent"
        outbound = await self._prepared(turn, target, apart_bytes, replace_credentials=True)
        return await self._signer.signed(outbound, target, secret)

    def renews(self, target: Target) -> bool:
        """Give up the token of a target that has one; False where its credential is a key, which stays what it is."""
        return not target.as_asked and self._signer.forget(target)

    def renews_after(self, attempts: Sequence[Attempt]) -> bool:
        """Give up the token that the last of `attempts` was refused with; a new one is worth one try.

        It may be refused before its time, as after a sign-out elsewhere.
        """
        here = attempts[-1]
        refused = here.failure is not None and here.failure.status == 401
        return refused and sum(one.target == here.target for one in attempts) == 1 and self.renews(here.target)

    async def _prepared(self, turn: Turn, target: Target, apart_bytes: int, *, replace_credentials: bool) -> Outbound:
        make = partial(prepare, turn, target, replace_credentials=replace_credentials, recall=self._recall)
        if len(turn.request.body) > apart_bytes and needs_translation(turn, target):
            return await asyncio.to_thread(make)
        return make()
