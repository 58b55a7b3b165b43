"""The providers of a soak: four machines with every format each, and places where nothing works."""

from __future__ import annotations

import re
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from faulty_runs import Provider

from ringlet_mitm.cli.demo.faults import Step, asked, ok, status, wrong_certificate
from ringlet_mitm.cli.demo.faulty import Alpn, FaultyVendor
from ringlet_mitm.cli.demo.lines import Heard

STYLES = ("messages", "chat", "responses", "gemini")
# Two that are used by all rules and get killed, and two to fall back on, of which one is left alone.
MACHINES: dict[str, Alpn] = {"north": "http/1.1", "south": "h2", "east": "h2", "west": "http/1.1"}
MORTAL = ("north", "south", "east")
# Each is some rule's first choice; what it costs is that another one has to be asked.
USELESS = {"shut": None, "deaf": None, "untrusted": wrong_certificate(), "locked": status(401), "strange": status(404)}
# Where agents believe that they send to; what cannot be read goes there.
VENDORS = ("api.anthropic.com", "api.openai.com", "generativelanguage.googleapis.com")
REFUSED = status(400, body=b'{"type":"error","error":{"type":"invalid_request_error","message":"no request"}}')
REFERENCE = re.compile(rb"\[ref ([0-9]+)\]")

PROVIDERS = {
    f"{machine}-{style}": Provider(f"{machine}-{style}", style, alpn)
    for machine, alpn in MACHINES.items()
    for style in STYLES
}
ODD = {name: Provider(name, STYLES[place % len(STYLES)]) for place, name in enumerate(USELESS)}
BY_HOST = {one.host: one.name for one in (*PROVIDERS.values(), *ODD.values())}


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request that a provider got whole: the number that its message refers to, and what was played."""

    number: int
    provider: str
    machine: str
    connection: int
    step: str
    at: float


class Arrivals:
    """What the providers got. `choose` says what happens to the n-th arrival of a request, counted from 0."""

    def __init__(self, choose: Callable[[int, int], Step]) -> None:
        self._choose = choose
        self._lock = threading.Lock()
        self._counts: Counter[int] = Counter()
        self.found: list[Arrival] = []

    def taken(self, machine: str, heard: Heard, step: Step | None = None) -> Step:
        """Note it down; gives what happens to it."""
        reference = REFERENCE.search(heard.body)
        if reference is None:
            return step or _as_vendors_do(heard)
        number = int(reference[1])
        with self._lock:
            nth = self._counts[number]
            self._counts[number] += 1
        step = step or self._choose(number, nth)
        provider = BY_HOST.get(heard.host, heard.host)
        self.found.append(Arrival(number, provider, machine, heard.connection, step.name, heard.at))
        return step


def _as_vendors_do(heard: Heard) -> Step:
    """An answer, or 400 to what is no request."""
    try:
        wanted = asked(heard)
    except (ValueError, AttributeError, RecursionError):
        return REFUSED
    return ok() if wanted.style and isinstance(wanted.body, dict) else REFUSED


class Providers:
    """All of them, running; a context manager with what a RunningProxy needs of a vendor."""

    def __init__(self, choose: Callable[[int, int], Step]) -> None:
        self.arrivals = Arrivals(choose)
        self._folder = tempfile.TemporaryDirectory(prefix="soak-")
        self._running = ExitStack()
        self.machines = {name: self._machine(name, alpn) for name, alpn in MACHINES.items()}
        useless: dict[str, Alpn] = {one.host: one.alpn for name, one in ODD.items() if USELESS[name] is not None}
        useless |= dict.fromkeys(VENDORS, "http/1.1")
        self._odd = FaultyVendor(useless, refusing=[ODD["shut"].host], deaf=[ODD["deaf"].host])
        self._odd.script(ODD["untrusted"].host, wrong_certificate())
        self._odd.choose = self._useless

    def _machine(self, name: str, alpn: Alpn) -> FaultyVendor:
        hosts = {one.host: alpn for one in PROVIDERS.values() if one.name.startswith(f"{name}-")}
        vendor = FaultyVendor(hosts)

        def choose(heard: Heard) -> Step:
            vendor.heard.clear()  # bodies and all: ten minutes of them are too much
            return self.arrivals.taken(name, heard)

        vendor.choose = choose
        return vendor

    def _useless(self, heard: Heard) -> Step:
        self._odd.heard.clear()
        return self.arrivals.taken("odd", heard, USELESS.get(BY_HOST.get(heard.host, "")))

    @property
    def connect_to(self) -> list[str]:
        """Where to go instead of the providers' addresses."""
        return [detour for vendor in self._all() for detour in vendor.connect_to]

    @property
    def ca_file(self) -> Path:
        """The authorities of all machines."""
        return Path(self._folder.name) / "ca.pem"

    def __enter__(self) -> Providers:
        for vendor in self._all():
            self._running.enter_context(vendor)
        self.ca_file.write_text("".join(vendor.ca_file.read_text() for vendor in self._all()))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()
        self._folder.cleanup()

    def _all(self) -> Iterator[FaultyVendor]:
        yield from (*self.machines.values(), self._odd)
