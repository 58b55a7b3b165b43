"""The order of our addons, and the masters they run in: the lean one, mitmweb's, or any through `plugin.py`."""

from __future__ import annotations

# First, since importing anything of mitmproxy's imports what this does without.
from ringlet_mitm.addons.lean import LeanMaster

# isort: split
import asyncio
import gc
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mitmproxy import ctx
from mitmproxy.master import Master
from mitmproxy.options import Options
from msgspec import to_builtins

from ringlet_mitm.addons.admission import Admission
from ringlet_mitm.addons.answer import Answer
from ringlet_mitm.addons.authority import Change, ensure
from ringlet_mitm.addons.bookkeeping import Bookkeeper
from ringlet_mitm.addons.breakers import Breakers
from ringlet_mitm.addons.budget import Budget
from ringlet_mitm.addons.connect_to import Detour, install
from ringlet_mitm.addons.conversations import Conversations
from ringlet_mitm.addons.copies import LateCourier
from ringlet_mitm.addons.copy_budget import CopyBudget
from ringlet_mitm.addons.counting import Counter
from ringlet_mitm.addons.credentials.formats import complaints, configured
from ringlet_mitm.addons.credentials.logins.exchanges import exchanges
from ringlet_mitm.addons.credentials.logins.late_client import LateClient
from ringlet_mitm.addons.credentials.proxy_login import ProxyLogin
from ringlet_mitm.addons.credentials.signing import Signer
from ringlet_mitm.addons.credentials.store import store_of
from ringlet_mitm.addons.credentials.vault import Vault
from ringlet_mitm.addons.dashboard.apart import AnswersApart
from ringlet_mitm.addons.deadlines import keep_deadlines, ring
from ringlet_mitm.addons.dispatch import Dispatch
from ringlet_mitm.addons.doorkeeper import Doorkeeper
from ringlet_mitm.addons.elsewhere import Elsewhere
from ringlet_mitm.addons.ending import Ending
from ringlet_mitm.addons.endpoints import Endpoints
from ringlet_mitm.addons.flow_port import FlowPort
from ringlet_mitm.addons.guard import Guard
from ringlet_mitm.addons.http_stream import PatientStream
from ringlet_mitm.addons.http_stream import install as install_stream
from ringlet_mitm.addons.in_flight import cut_off, in_order, streams
from ringlet_mitm.addons.intake import Intake
from ringlet_mitm.addons.leaves import Leaves
from ringlet_mitm.addons.live import Live, Ruling
from ringlet_mitm.addons.metrics import Now
from ringlet_mitm.addons.numbered_stream import never
from ringlet_mitm.addons.observing import Observing
from ringlet_mitm.addons.pages import Pages
from ringlet_mitm.addons.preparing import Preparer
from ringlet_mitm.addons.price_cache import price_book, refresh
from ringlet_mitm.addons.recorder import Recorder, Sink
from ringlet_mitm.addons.reload import Reload
from ringlet_mitm.addons.rulings import RulingFiles
from ringlet_mitm.addons.sessions import Sessions
from ringlet_mitm.addons.shadow import Shadow
from ringlet_mitm.addons.snapshots import Snapshots
from ringlet_mitm.addons.telemetry import collected_for
from ringlet_mitm.addons.tidying import Tidying
from ringlet_mitm.addons.token_counts import TokenCounts
from ringlet_mitm.addons.trailers import forget_trailers
from ringlet_mitm.addons.upstream_connections import UpstreamConnections
from ringlet_mitm.addons.usage.apart import WriterApart
from ringlet_mitm.addons.usage.earlier import EarlierApart
from ringlet_mitm.addons.usage.snapshot import Stream
from ringlet_mitm.addons.usage.spending import SpentApart
from ringlet_mitm.addons.usage.spool import Spool
from ringlet_mitm.addons.waiting import PING_S
from ringlet_mitm.addons.websockets import WebSockets
from ringlet_mitm.addons.windows import Windows
from ringlet_mitm.rules.agents import presets
from ringlet_mitm.rules.home import Home
from ringlet_mitm.rules.interception import HostPolicy, HostVerdict
from ringlet_mitm.rules.profiles import Profile, own_models
from ringlet_mitm.rules.tokens import Calibration

if sys.platform != "win32" and sys.version_info < (3, 12):
    # 6 % less time for a request of 500 KB (2026-11). From Python 3.12 on mitmproxy uses eager tasks, as fast, which
    # uvloop 0.23 does not take.
    from uvloop import run as run_loop
else:
    from asyncio import run as run_loop

logger = logging.getLogger(__name__)

Announce = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Setup:
    """All that a proxy is started with; `announce` gets a line about the rules, and the address, once it listens.

    `ping_s` is how often an agent hears something that waits for a provider without streaming. `sinks` get the rows of
    every request, after the spool. `watchers` are addons for people who look at flows; without any, bodies go early.
    `login` is what clients have to say; None lets everybody in.
    """

    home: Home
    profile: Profile
    environ: Mapping[str, str] = field(repr=False)
    detours: tuple[Detour, ...] = ()
    upstream_ca: Path | None = None
    make_master: Callable[[Options], Master] = LeanMaster
    watchers: tuple[Any, ...] = ()
    ping_s: float = PING_S
    sinks: tuple[Sink, ...] = ()
    announce: Announce | None = None
    login: ProxyLogin | None = None


class Proxy:
    """The addons of one proxy and what they share."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        home, profile = setup.home, setup.profile
        self.files = files = RulingFiles(home, profile, setup.environ)
        self.live = Live(files.load(), Calibration())
        settings = self.live.ruling.settings
        self.prices = price_book(home, self.live.ruling.registry)
        self.spool = Spool(home.spool_dir, profile.name)
        self.writer = WriterApart(self.spool, home.database, self._calibrated, settings.ledger)
        self.counter = Counter()
        self.sessions = Sessions()
        self.conversations = Conversations()
        self.policy = HostPolicy.of(presets(), profile.intercept)
        keeps = profile.capture != "none"
        bookkeeper = Bookkeeper(profile.name, self.prices, self.conversations, keeps_projects=keeps)
        spent = SpentApart(home.database, home.spool_dir, profile.name, settings.ledger)
        self.budget = Budget(profile.name, Elsewhere(spent.read), time.time)
        collected = collected_for(profile.name, settings.telemetry, setup.environ)
        self.observing = Observing(profile.name, self._moment, collected)
        earlier = EarlierApart(home.database, home.spool_dir, profile.name, settings.ledger)
        self.snapshots = Snapshots(profile.name, home.snapshots_dir, earlier.read_if_any, self._streams)
        counting = (self.budget.record, self.observing.record, self.snapshots.record)
        sinks = [self.spool.append, *counting, *setup.sinks]
        self.recorder = Recorder(bookkeeper, sinks, keeps_bodies=bool(setup.watchers))
        self.vault = Vault(setup.environ, store_of(home, setup.environ))
        self.admission = Admission(self.live, Breakers(_now_ms), self.budget)
        courier = LateCourier(setup.detours, setup.upstream_ca)
        self.preparer = Preparer(self._signer(), self.sessions.recall)
        self.intake = Intake(self.live, self.counter, self._decrypted, self.conversations)
        looked = bool(setup.watchers)
        self.websockets = WebSockets(
            self.live,
            self.intake,
            self.admission,
            self.recorder.record,
            self._decrypted,
            watched=looked,
            shows=looked and keeps,
        )
        self.shadow = Shadow(self.admission, bookkeeper, courier, CopyBudget(spent.read), sinks, self.preparer)
        self.windows = Windows(self.prices, lambda: own_models(home))
        self.started = time.monotonic()
        self.reload = Reload(self.live, self._reloaded, files.watched)

    def addons(self) -> list[Any]:
        """In the order in which their hooks run; what is for people who look comes last."""
        intake, preparer = self.intake, self.preparer
        home, shared = self.setup.home, self.live.ruling.settings.ledger
        door = [Doorkeeper(self.setup.login)] if self.setup.login else []
        found = [
            *door,
            Guard(self.policy),
            Leaves(),
            UpstreamConnections(),
            self.websockets,
            self.observing,
            Pages(AnswersApart(home.database, home.spool_dir, home.snapshots_dir, shared=shared)),
            Endpoints(self.live, {"/health": self.health}),
            TokenCounts(intake, preparer),
            Dispatch(self.live, intake, preparer, self.admission, self.windows, self.setup.ping_s),
            Answer(self.recorder.record, self.sessions, self.admission.answers),
            self.shadow,
            self.recorder,
            self.reload,
            Background(self),
        ]
        return [*found, *self.setup.watchers]

    def health(self) -> dict[str, object]:
        """What `GET /health` says."""
        return {
            "status": "ok",
            "profile": self.setup.profile.name,
            "pid": os.getpid(),
            "rules": [rule.label for rule in self.live.ruling.book.rules],
            "default": self.live.ruling.book.default.label,
            "requests": self.recorder.recorded,
            "unsaved_rows": self.spool.unsaved,
            "since_start": to_builtins(self.snapshots.since_start),
            "uptime_s": round(time.monotonic() - self.started),
            "in_flight": self.in_flight(),
            "open_websockets": self.websockets.open,
            **self.admission.report(),
            "shadow": self.shadow.report(),
        }

    def _streams(self) -> list[Stream]:
        return in_order((*streams(), *self.websockets.streams()))

    def in_flight(self) -> int:
        """How many requests are under way, turns on WebSockets included."""
        return len(PatientStream.in_flight) + len(self.websockets.turns)

    def _moment(self) -> Now:
        """What `GET /metrics` says beside what was counted."""
        lines, resting = self.admission.lanes.report(), self.admission.breakers.report()
        sockets = self.websockets
        busy = self.in_flight()
        return Now(busy, lines, resting, self.spool.unsaved, self.spool.dropped, sockets.open)

    def warm(self) -> None:
        """Load what the first request would wait for."""
        self.look_at_keys()
        if self.live.ruling.book.counts_tokens:
            self.counter.warm()
        self.prices.warm()
        gc.collect()
        # What is there now stays; and a tenth of the time went into looking for garbage among a request's many small
        # objects. Thresholds of 20,000 and more let bodies in mitmproxy's reference cycles pile up to 380 MB.
        gc.freeze()
        gc.set_threshold(10_000, 5, 5)

    def _reloaded(self) -> Ruling:
        """The files as they are now, prices included; raises, and then nothing has changed."""
        ruling = self.files.load()
        refresh(self.prices, self.setup.home, ruling.registry)
        return ruling

    def look_at_keys(self) -> None:
        """Say what is odd about the keys that rules and profile use; in a thread, since a keyring may be asked."""
        ruling = self.live.ruling
        for line in complaints(configured(ruling.book, ruling.pin), ruling.registry, self.vault):
            logger.warning("%s", line)

    def _signer(self) -> Signer:
        client = LateClient(self.setup.detours, self.setup.upstream_ca)
        return Signer(self.vault, lambda: self.live.ruling.registry, exchanges=exchanges(client))

    def _decrypted(self, host: str) -> bool:
        return self.policy.verdict(host, 443) is HostVerdict.DECRYPT

    def _calibrated(self, calibration: Calibration) -> None:
        self.live.calibration = calibration


class Background:
    """Starts and ends the threads, and says when the proxy listens."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy

    def running(self) -> None:
        """Called once the port is open."""
        proxy = self._proxy
        install(asyncio.get_running_loop(), proxy.setup.detours)
        forget_trailers()
        at_once = getattr(ctx.master.addons, "at_once", never)
        install_stream(FlowPort(proxy.admission, proxy.setup.ping_s), ring, at_once)
        limits = proxy.budget.keep(lambda: proxy.live.ruling.book.limits)
        tidying = Tidying(lambda: proxy.recorder.recorded, lambda: len(PatientStream.in_flight)).keep()
        kept = proxy.snapshots.keep(_address())
        self._tasks = [asyncio.create_task(work) for work in (keep_deadlines(), limits, tidying, kept)]
        proxy.writer.start()
        threading.Thread(target=proxy.warm, name="warming up", daemon=True).start()
        if proxy.setup.announce:
            proxy.setup.announce(_rules_line(proxy), _address())

    def done(self) -> None:
        """What is still in the spool is written; whatever cannot be is found again at the next start."""
        for task in self._tasks:
            task.cancel()
        self._proxy.snapshots.close()
        self._proxy.counter.close()
        self._proxy.writer.stop()
        self._proxy.spool.close()


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def _rules_line(proxy: Proxy) -> str:
    book = proxy.live.ruling.book
    own, routes = book.counted
    several = f"{own or 'no'} rule{'' if own == 1 else 's'}"
    by_model = f", {routes} model route{'' if routes == 1 else 's'}" if routes else ""
    source = f" ({book.default_file})" if book.default_file not in ("", book.file) else ""
    return f"profile '{proxy.setup.profile.name}': {several}{by_model}, {book.default.label}{source}"


def _address() -> str:
    host, port, *_ = ctx.master.addons.get("proxyserver").listen_addrs()[0]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _options(setup: Setup) -> Options:
    authority = ensure(setup.home.ca_dir, HostPolicy.of(presets(), setup.profile.intercept).hosts)
    if authority.change is Change.REPLACED:
        logger.warning("%s", authority.change.value)
    opts = Options()
    opts.update(
        confdir=str(authority.folder),
        listen_host=setup.profile.host,
        listen_port=setup.profile.port,
        upstream_cert=False,
        ssl_verify_upstream_trusted_ca=str(setup.upstream_ca) if setup.upstream_ca else None,
    )
    return opts


async def _main(setup: Setup) -> None:
    master = setup.make_master(_options(setup))
    master.options.update(connection_strategy="lazy")
    proxy = Proxy(setup)
    await asyncio.to_thread(proxy.prices.warm)  # 2 ms; at the very first start half a second
    master.addons.add(*proxy.addons())
    Ending(
        busy=proxy.in_flight,
        close=lambda: master.options.update(server=False),
        cut=lambda: cut_off(proxy.recorder.error),
        end=master.shutdown,
    ).listen()
    await master.run()


def run(setup: Setup) -> None:
    """Run a proxy until a signal ends it."""
    run_loop(_main(setup))
