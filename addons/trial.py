"""Tiny requests through a proxy of their own: `python -m ringlet_mitm.addons.trial`, told on stdin what to ask for.

In a process of its own, since mitmproxy has one master a process, and since one that hangs can then be ended. Each
request takes the way of any agent's: it is taken in, routed by a rule for the name that it asks for, prepared, signed,
sent, metered and recorded in the ledger, as it costs money. One proxy for all of them: starting one takes a second.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
import tomli_w
from mitmproxy import ctx
from msgspec import structs

from ringlet_mitm.addons.asking import format_for, question
from ringlet_mitm.addons.connect_to import parse_detour
from ringlet_mitm.addons.master import Setup, run
from ringlet_mitm.addons.price_cache import catalogue
from ringlet_mitm.addons.trying import PROFILE, Ask, Batch, Line, Told
from ringlet_mitm.addons.usage.rows import AttemptRow, RequestRow
from ringlet_mitm.addons.wire.canonical import Conversation, Message, Options, Role, Text
from ringlet_mitm.rules.errors import RingletError
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.installation import load_installation
from ringlet_mitm.rules.profiles import Profile
from ringlet_mitm.rules.providers import ProviderRegistry, ProviderSpec

SYSTEM, PROMPT = "Answer with one word.", "Say OK."
# OpenAI's Responses takes no fewer than 16; models that think first need a few more to say a word.
MAX_TOKENS = 32
TEXT_LIMIT = 64 * 1024
AT_ONCE = 2
# A request that was given up is recorded as soon as the proxy has seen its connection end.
ROW_S = 5.0


def conversation(spec: ProviderSpec, model: str) -> Conversation:
    """A question that a model answers with next to nothing."""
    return Conversation(
        model=model,
        messages=(Message(Role.USER, (Text(PROMPT),)),),
        system=(Text(SYSTEM),),
        options=Options(max_tokens=MAX_TOKENS),
        stream=spec.streams,
    )


@dataclass(frozen=True, slots=True)
class TrialHome(Home):
    """The person's home with rules of ours in place of a profile's."""

    rules: Path = Path()

    def routing_file(self, name: str) -> Path:
        """Where each name leads that is asked for here."""
        return self.rules


@dataclass(slots=True)
class One:
    """One of the requests; `name` is what it asks for, and a rule has the provider and its model for it."""

    ask: Ask
    name: str
    spec: ProviderSpec
    model: str
    row: RequestRow | None = None
    attempts: tuple[AttemptRow, ...] = ()
    recorded: threading.Event | None = None

    @property
    def rule(self) -> dict[str, object]:
        """As routing.toml has it."""
        return {"match": {"model-equals": self.name}, "to": self.spec.provider_id, "model": self.model}


class Trial:
    """The requests, made by threads as soon as the proxy listens; then the proxy is ended. `tell` gets each outcome."""

    def __init__(self, batch: Batch, tell: Callable[[int, Told], None], environ: Mapping[str, str]) -> None:
        self._batch = batch
        self._tell = tell
        self._environ = environ
        self._home = home_of(environ)
        self._thread: threading.Thread | None = None
        found = load_installation(self._home, environ).registry
        self._ones = {place: one for place, ask in enumerate(batch.asks) if (one := self._one(place, ask, found))}
        self._by_name = {one.name: one for one in self._ones.values()}

    def run(self) -> None:
        """Try all of them."""
        if not self._ones:
            return
        with tempfile.TemporaryDirectory(prefix="ringlet-trial-") as folder:
            rules = Path(folder, "routing.toml")
            rules.write_text(tomli_w.dumps({"rule": [one.rule for one in self._ones.values()]}), encoding="utf-8")
            home, batch = self._home, self._batch
            catalogue(home)  # made now where it is not there, or the first request would wait for it and seem slow
            run(
                Setup(
                    home=TrialHome(home.config, home.data, home.state, home.cache, home.legacy, rules),
                    profile=Profile(PROFILE, port=0),
                    environ=dict(self._environ),
                    detours=tuple(map(parse_detour, batch.connect_to)),
                    upstream_ca=Path(batch.upstream_ca) if batch.upstream_ca else None,
                    sinks=(self._record,),
                    announce=self._begin,
                )
            )
            if self._thread is not None:
                self._thread.join()

    def _one(self, place: int, ask: Ask, known: ProviderRegistry) -> One | None:
        """None for one that cannot be tried, which is told at once."""
        try:
            spec = known.require(ask.provider)
        except RingletError as error:
            self._tell(place, Told(failure=str(error)))
            return None
        model = known.normalize_model_name(spec.provider_id, ask.model)
        return One(ask, f"{PROFILE}-{place}", spec, model, recorded=threading.Event())

    def _record(self, row: RequestRow, attempts: tuple[AttemptRow, ...]) -> None:
        one = self._by_name.get(row.requested_model)
        if one is not None and one.recorded is not None:
            one.row, one.attempts = row, attempts
            one.recorded.set()

    def _begin(self, ruling: str, address: str) -> None:
        loop, master = asyncio.get_running_loop(), ctx.master

        def ask(item: tuple[int, One]) -> None:
            place, one = item
            self._tell(place, asked(one, f"http://{address}"))

        def ask_all() -> None:
            try:
                with ThreadPoolExecutor(AT_ONCE) as threads:
                    list(threads.map(ask, self._ones.items()))
            finally:
                loop.call_soon_threadsafe(master.shutdown)

        self._thread = threading.Thread(target=ask_all, name="trial")
        self._thread.start()


def asked(one: One, url: str) -> Told:
    """Ask the proxy at `url`, and wait for what it records of it."""
    told = _asked(one, url)
    if one.recorded is not None:
        one.recorded.wait(ROW_S)
    return structs.replace(told, row=one.row, attempts=list(one.attempts))


def _asked(one: One, url: str) -> Told:
    sent = question(conversation(one.spec, one.model), format_for(one.spec, one.model), one.name)
    first: float | None = None
    status, broke, body = None, "", b""
    begun = time.monotonic()
    client = httpx.Client(timeout=one.ask.timeout_s, trust_env=False)
    try:
        with client, client.stream("POST", url + sent.path, content=sent.body, headers=sent.headers) as answer:
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
    """Try what stdin says, and print what came of each as a line of JSON."""
    batch = msgspec.json.decode(sys.stdin.buffer.read(), type=Batch)
    printing = threading.Lock()

    def tell(place: int, told: Told) -> None:
        with printing:
            sys.stdout.buffer.write(msgspec.json.encode(Line(place, told)) + b"\n")
            sys.stdout.buffer.flush()

    try:
        Trial(batch, tell, os.environ).run()
    except RingletError as error:
        for place in range(len(batch.asks)):
            tell(place, Told(failure=str(error)))


if __name__ == "__main__":
    main()
