"""What runs right now: one frame as text, and the view itself in a terminal."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from local_servers import LocalServer, closed_port
from msgspec.structs import replace

from ringlet_mitm.addons.usage.snapshot import Session, Snapshot, Stream, Sums, file_of, write
from ringlet_mitm.cli.main import group
from ringlet_mitm.cli.usage.live_frame import Proxy, frame
from ringlet_mitm.rules.home import Home, home_of

NOW = 1_790_000_000.0
US = round(NOW * 1e6)
STREAM = Stream(
    id="1",
    started_us=US - 75_000_000,
    phase="streaming",
    provider="groq",
    model="llama-3.3-70b-versatile",
    rule="tool-use → groq",
    attempt=2,
    first_byte_us=US - 70_000_000,
    bytes=123_456,
)
SNAPSHOT = Snapshot(
    profile="work",
    pid=os.getpid(),
    address="127.0.0.1:8484",
    started_us=US - 3_600_000_000,
    written_us=US,
    day_us=US - 10**10,
    day_ends_us=US + 10**10,
    complete=True,
    today=Sums(1234, 2, 9_000_000, 200_000, Decimal("31.4"), 1, 1),
    minute=Sums(3, 0, 30_000, 500, Decimal("0.1"), 0, 0),
    sessions=[
        Session(
            session="0123456789",
            sums=Sums(12, 0, 1, 1, Decimal("0.42"), 0, 0),
            agent="claude",
            provider="anthropic",
            model="claude-sonnet-4-5",
            context=48_000,
            last_us=US - 5_000_000,
        ),
        Session(session="yesterday", last_us=US - 10**11),
    ],
    streams=[STREAM, Stream(id="2", started_us=US - 1_000_000, phase="in line", model="m")],
    streams_in_all=2,
)
HEALTH: dict[str, Any] = {
    "status": "ok",
    "profile": "work",
    "rules": [],
    "resting": [{"provider": "zai", "state": "resting", "failures": 5, "reason": "overloaded", "rests_for_s": 11.5}],
    "lines": [{"provider": "groq", "running": 3, "most": 3, "waiting": 2}],
    "limits": [{"limit": "usd-per-day", "provider": "", "used": 31.4, "warn": 30, "action": "warn"}],
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("RINGLET_HOME", str(tmp_path))
    return home_of({"RINGLET_HOME": str(tmp_path)})


def written(home: Home, snapshot: Snapshot) -> None:
    write(file_of(home.snapshots_dir, snapshot.profile, snapshot.pid), snapshot)


def now_at(snapshot: Snapshot, **given: Any) -> Snapshot:
    """As if it had been written now."""
    us = time.time_ns() // 1000
    return replace(snapshot, started_us=us - 10**7, written_us=us, day_ends_us=us + 10**10, **given)


def text(*proxies: Proxy, width: int = 100, height: int | None = None) -> list[str]:
    return [line.text for line in frame(proxies, NOW, width, height)]


def call(*words: str) -> str:
    return CliRunner().invoke(group, ["usage", *words], catch_exceptions=False).output


def test_a_frame() -> None:
    head, *lines = text(Proxy(SNAPSHOT, HEALTH), width=120)
    assert head.startswith("work  http://127.0.0.1:8484  up 1 h  ")
    assert lines == [
        "today      1,234 requests, ~9.0M in / 200K out, ≥~$31.40, 2 failed",
        "minute     3 requests, 30K in / 500 out, $0.10; $6.00 an hour at this rate",
        "resting    zai  overloaded, 5 failures in a row; tried again in 12 s",
        "queues     groq  3 of 3 running, 2 waiting",
        "limits     usd-per-day  $31.40 used, warns at $30.00 (now)",
        "",
        "STREAM            MODEL                         RULE             SINCE       BYTES",
        "streaming, try 2  groq/llama-3.3-70b-versatile  tool-use → groq  1 min 15 s  123K",
        "in line           m                                              1 s         -",
        "",
        "SESSION   AGENT   MODEL                        REQUESTS  CONTEXT  COST   LAST",
        "01234567  claude  anthropic/claude-sonnet-4-5  12        48K      $0.42  5 s ago",
    ]


def test_one_that_does_nothing() -> None:
    quiet = replace(SNAPSHOT, minute=Sums(), sessions=[], streams=[], streams_in_all=0, today=Sums(), complete=False)
    assert text(Proxy(quiet, {}))[1:] == [
        "today      0 requests, 0 in / 0 out, $0.00  (the ledger is still being read)",
        "minute     nothing answered",
        "",
        "no request is under way",
    ]


def test_one_that_does_not_answer() -> None:
    assert "health     it does not answer /health" in text(Proxy(SNAPSHOT))


def test_one_that_has_ended() -> None:
    head, today = text(Proxy(replace(SNAPSHOT, running=False)))
    assert "not running; last seen" in head
    assert today.startswith("today      1,234 requests")


def test_a_day_that_is_over() -> None:
    lines = text(Proxy(replace(SNAPSHOT, day_ends_us=US - 1)))
    assert lines[1] == "today      0 requests, 0 in / 0 out, $0.00"


@pytest.mark.parametrize("width", [1, 10, 40, 79])
@pytest.mark.parametrize("height", [1, 3, 8, 20])
def test_it_fits_any_terminal(width: int, height: int) -> None:
    busy = replace(SNAPSHOT, streams=[replace(STREAM, id=str(n), rule="規則") for n in range(50)], streams_in_all=500)
    from rich.cells import cell_len

    lines = text(Proxy(busy, HEALTH), Proxy(busy, HEALTH), width=width, height=height)
    assert len(lines) <= height
    assert max(map(cell_len, lines)) <= width


def test_streams_give_way_before_what_is_below() -> None:
    busy = replace(SNAPSHOT, streams=[replace(STREAM, id=str(n)) for n in range(50)], streams_in_all=50)
    lines = text(Proxy(busy, HEALTH), height=16)
    assert "… 47 more" in lines
    assert sum(line.startswith("streaming") for line in lines) == 3


def test_names_that_a_terminal_would_obey() -> None:
    odd = replace(SNAPSHOT, streams=[replace(STREAM, model="a\033[2J\n", rule="b\r")], sessions=[])
    assert not any("\033" in line or "\n" in line or "\r" in line for line in text(Proxy(odd)))


class TestOnce:
    """Piped, or with --once."""

    def test_with_a_proxy(self, home: Home) -> None:
        with LocalServer({"/health": HEALTH}) as server:
            written(home, now_at(SNAPSHOT, address=f"127.0.0.1:{server.port}"))
            shown = call("live", "--once")
        assert f"work  http://127.0.0.1:{server.port}  up 1" in shown
        assert "resting    zai  overloaded" in shown
        assert call("--live", "--once").splitlines()[1:2] == shown.splitlines()[1:2]

    def test_one_of_several(self, home: Home) -> None:
        for name in ("work", "play"):
            written(home, now_at(SNAPSHOT, profile=name, address=f"127.0.0.1:{closed_port()}"))
        assert call("live").count("  up ") == 2
        shown = call("live", "--profile", "play")
        assert (shown.count("  up "), shown.startswith("play")) == (1, True)

    def test_one_that_ended_is_not_shown_beside_one_that_runs(self, home: Home) -> None:
        written(home, now_at(SNAPSHOT, address=""))
        written(home, now_at(SNAPSHOT, profile="ended", running=False))
        assert "ended" not in call("live")
        assert call("live", "--profile", "ended").startswith("ended  not running; last seen")

    def test_nobody(self, home: Home) -> None:
        assert call("live") == "no proxy runs; start one with:  ringlet-mitm --profile work\n"


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminal")
class TestTerminal:
    """The real thing, in a pseudo-terminal."""

    def test_it_refreshes_and_ctrl_c_is_quiet(self, home: Home) -> None:
        import pty

        written(home, now_at(SNAPSHOT, address=""))
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "ringlet_mitm.cli.main", "usage", "live", "--interval", "0.2"]
        environ = {**os.environ, "COLUMNS": "100", "LINES": "30", "TERM": "xterm-256color"}
        process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ)
        os.close(theirs)
        try:
            assert "1,234 requests" in until(ours, "1,234 requests")
            written(home, now_at(SNAPSHOT, address="", today=Sums(requests=1235)))
            assert "1,235 requests" in until(ours, "1,235 requests")
            process.send_signal(signal.SIGINT)
            rest = until(ours, None)
            assert process.wait(30) == 0
        finally:
            process.kill()
            os.close(ours)
        assert "\033[?1049l" in rest  # the screen of before is back
        assert "Traceback" not in rest
        assert "Abort" not in rest


def until(fd: int, wanted: str | None) -> str:
    """What is shown up to there, or to the end."""
    found, end = "", time.monotonic() + 30
    while time.monotonic() < end and (wanted is None or wanted not in found):
        if not select.select([fd], [], [], 1)[0]:
            continue
        try:
            piece = os.read(fd, 65536)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        found += piece.decode("utf-8", "replace")
    return found
