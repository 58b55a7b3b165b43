"""One tiny request through a proxy of its own: `python -m ringlet_mitm.addons.trial`, told on stdin what to ask for.

In a process of its own, since mitmproxy has one master a process, and since a request that hangs can then be ended.
The request takes the way of any agent's: it is taken in, routed by a profile that pins the provider, prepared, signed,
sent, metered and recorded in the ledger, as it costs money.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from pathlib import Path

import httpx
import msgspec
from mitmproxy import ctx
from msgspec import structs

from ringlet_mitm.addons.asking import format_for, question
from ringlet_mitm.addons.connect_to import parse_detour
from ringlet_mitm.addons.master import Setup, run
from ringlet_mitm.addons.trying import PROFILE, Ask, Told
from ringlet_mitm.addons.usage.rows import AttemptRow, RequestRow
from ringlet_mitm.addons.wire.canonical import Conversation, Message, Options, Role, Text
from ringlet_mitm.rules.errors import RingletError
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.installation import load_installation
from ringlet_mitm.rules.profiles import Profile
from ringlet_mitm.rules.providers import ProviderSpec

SYSTEM, PROMPT = "Answer with one word.", "Say OK."
# OpenAI's Responses takes no fewer than 16; models that think first need a few more to say a word.
MAX_TOKENS = 32
TEXT_LIMIT = 64 * 1024


def conversation(spec: ProviderSpec, model: str) -> Conversation:
    """A question that a model answers with next to nothing."""
    return Conversation(
        model=model,
        messages=(Message(Role.USER, (Text(PROMPT),)),),
        system=(Text(SYSTEM),),
        options=Options(max_tokens=MAX_TOKENS),
        stream=spec.streams,
    )


class Trial:
    """The one request, made by a thread as soon as the proxy listens; then the proxy is ended."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._home = home_of(os.environ)
        found = load_installation(self._home, os.environ).registry
        self._spec = found.require(ask.provider)
        self._model = found.normalize_model_name(self._spec.provider_id, ask.model)
        self._thread: threading.Thread | None = None
        self._answer = Told()
        self._rows: list[tuple[RequestRow, tuple[AttemptRow, ...]]] = []

    def told(self) -> Told:
        """Run it, and say what came of it."""
        ask = self._ask
        profile = Profile(PROFILE, provider=ask.provider, model=self._model, port=0, proxy="none")
        run(
            Setup(
                home=self._home,
                profile=profile,
                environ=dict(os.environ),
                detours=tuple(map(parse_detour, ask.connect_to)),
                upstream_ca=Path(ask.upstream_ca) if ask.upstream_ca else None,
                sinks=(self._record,),
                announce=self._begin,
            )
        )
        if self._thread is not None:
            self._thread.join()
        row, attempts = self._rows[-1] if self._rows else (None, ())
        return structs.replace(self._answer, row=row, attempts=list(attempts))

    def _record(self, row: RequestRow, attempts: tuple[AttemptRow, ...]) -> None:
        self._rows.append((row, attempts))

    def _begin(self, ruling: str, address: str) -> None:
        loop, master = asyncio.get_running_loop(), ctx.master

        def ask() -> None:
            try:
                self._answer = self._asked(f"http://{address}")
            finally:
                loop.call_soon_threadsafe(master.shutdown)

        self._thread = threading.Thread(target=ask, name="trial")
        self._thread.start()

    def _asked(self, url: str) -> Told:
        asked = question(conversation(self._spec, self._model), format_for(self._spec, self._model))
        first: float | None = None
        status, broke, body = None, "", b""
        begun = time.monotonic()
        client = httpx.Client(timeout=self._ask.timeout_s, trust_env=False)
        try:
            with client, client.stream("POST", url + asked.path, content=asked.body, headers=asked.headers) as answer:
                status = answer.status_code
                for piece in answer.iter_raw():
                    first = first or time.monotonic()
                    body = (body + piece)[:TEXT_LIMIT]
        except httpx.HTTPError as error:
            broke = type(error).__name__
        return Told(
            status=status,
            text=body.decode("utf-8", "replace"),
            first_byte_ms=None if first is None else (first - begun) * 1000,
            total_ms=(time.monotonic() - begun) * 1000,
            broke=broke,
        )


def main() -> None:
    """Try what stdin says, and print what came of it as JSON."""
    ask = msgspec.json.decode(sys.stdin.buffer.read(), type=Ask)
    try:
        told = Trial(ask).told()
    except RingletError as error:
        told = Told(failure=str(error))
    sys.stdout.buffer.write(msgspec.json.encode(told))


if __name__ == "__main__":
    main()
