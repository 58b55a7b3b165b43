"""What a running proxy is doing and what it came to, in a small file that is read without asking anybody.

A status line has 50 ms, and a proxy that is asked over HTTP may be busy. So a proxy writes this file at most once a
second, and only when something has changed; whoever reads it works out ages and whether the day is over by himself.
One file a proxy, called after its profile and its process; a proxy that starts takes away what dead ones of its profile
left. `cli/usage/statusline.py` reads it with the standard library alone, as JSON; its keys are the fields below.
"""

from __future__ import annotations

import os
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import msgspec

from ringlet_mitm.addons.usage.running import is_running

# Of agents' sessions, those that asked last.
MOST_SESSIONS = 32
# Of running streams, the oldest; there is no reading more.
MOST_STREAMS = 100
SUFFIX = ".json"


class Sums(msgspec.Struct, frozen=True):
    """What requests came to: tokens with cached and reasoning ones, USD as far as prices are known.

    `unpriced` requests have no known price, the tokens of `estimated` ones were not reported.
    """

    requests: int = 0
    failed: int = 0
    input: int = 0
    output: int = 0
    usd: Decimal = Decimal(0)
    unpriced: int = 0
    estimated: int = 0

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.requests + other.requests,
            self.failed + other.failed,
            self.input + other.input,
            self.output + other.output,
            self.usd + other.usd,
            self.unpriced + other.unpriced,
            self.estimated + other.estimated,
        )


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One session of an agent, this month; what answered last, and how long its conversation was then.

    A request without tools (agents have titles and summaries written) does not count as the last where others have
    tools.
    """

    session: str
    sums: Sums = Sums()
    agent: str = ""
    provider: str = ""
    model: str = ""
    rule: str = ""
    context: int = 0
    last_us: int = 0
    tools: bool = False


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """A request under way. `bytes` of its answer are with the agent; `phase` is a word for how far it is."""

    id: str
    started_us: int
    phase: str
    session: str = ""
    agent: str = ""
    provider: str = ""
    model: str = ""
    rule: str = ""
    attempt: int = 1
    first_byte_us: int | None = None
    bytes: int = 0


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. `today` counts from `day_us` on, `since_start` what this process answered, `minute` the last 60 s.

    `complete` is whether `today` and the sessions have what was before this process, and beside it: the ledger is read
    when it starts, and again every few minutes.
    """

    v: int = 1
    profile: str
    pid: int
    address: str = ""
    running: bool = True
    started_us: int
    written_us: int
    day_us: int
    day_ends_us: int
    complete: bool = False
    today: Sums = Sums()
    since_start: Sums = Sums()
    minute: Sums = Sums()
    sessions: list[Session] = []
    streams: list[Stream] = []
    streams_in_all: int = 0


_encoder = msgspec.json.Encoder(decimal_format="number")
_decoder = msgspec.json.Decoder(Snapshot)


def file_of(folder: Path, profile: str, pid: int) -> Path:
    """Where the proxy of that process writes."""
    return folder / f"{profile}.{pid}{SUFFIX}"


def write(path: Path, snapshot: Snapshot) -> None:
    """For the owner alone, whole or not at all; raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(_encoder.encode(snapshot))
        fresh.replace(path)
    except OSError:
        with suppress(OSError):
            fresh.unlink()
        raise


def read(path: Path) -> Snapshot | None:
    """What a file says; None where it is gone, or not of this version's making."""
    try:
        return _decoder.decode(path.read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def all_of(folder: Path) -> list[Snapshot]:
    """Every file's, the last written first; one that is of a dead proxy says that it does not run."""
    found = [snapshot for path in _files(folder) if (snapshot := read(path)) is not None]
    judged = (msgspec.structs.replace(one, running=one.running and is_running(one.pid)) for one in found)
    return sorted(judged, key=lambda one: (one.running, one.written_us), reverse=True)


def clear(folder: Path, profile: str) -> None:
    """Take away what proxies of the profile left that do not run any more."""
    for path in _files(folder):
        found = read(path)
        mine = found.profile == profile if found else path.name.startswith(f"{profile}.")
        if mine and (found is None or not (found.running and is_running(found.pid))):
            with suppress(OSError):
                path.unlink()


def _files(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.suffix == SUFFIX and not path.name.startswith(".")]
    except OSError:
        return []
