"""Who uses a proxy: leases that end with their holders, and one lock for coming and going."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ringlet_mitm.addons.leases import Busy, Leases
from ringlet_mitm.rules.home import Home, home_of

HOLDER = """
import os, subprocess, sys
from ringlet_mitm.addons.leases import Leases
from ringlet_mitm.rules.home import home_of
leases = Leases(home_of({"RINGLET_HOME": sys.argv[1]}), "work")
with leases.locked():
    lease = leases.take("claude")
    if sys.argv[2] == "with a child": subprocess.Popen(["sleep", "3"])
    print("took", flush=True)
    if sys.argv[2] == "in the lock": sys.stdin.read()
sys.stdin.read()
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return home_of({"RINGLET_HOME": str(tmp_path)})


@pytest.fixture
def leases(home: Home) -> Leases:
    return Leases(home, "work")


@contextmanager
def holder(folder: Path, how: str = "") -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", HOLDER, folder, how], stdin=pipe, stdout=pipe, text=True) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "took\n"
            yield process
        finally:
            process.kill()


def test_one_is_held_until_it_is_removed(leases: Leases) -> None:
    with leases.locked():
        one, other = leases.take("claude"), leases.take("codex")
        assert sorted(leases.held()) == ["claude", "codex"]
        one.remove()
        assert leases.held() == ["codex"]
        other.remove()
        assert leases.held() == []


@pytest.mark.parametrize("how", ["", "with a child"])
def test_a_killed_holder_holds_nothing(leases: Leases, tmp_path: Path, how: str) -> None:
    with holder(tmp_path, how) as process:
        with leases.locked():
            assert leases.held() == ["claude"]
        process.kill()
        process.wait()
        with leases.locked():
            assert leases.held() == []
    assert list((tmp_path / "state/leases/work").glob("*.lease")) == []


def test_a_profile_has_its_own(home: Home, leases: Leases) -> None:
    play = Leases(home, "play")
    with leases.locked(), play.locked():
        leases.take("claude")
        assert play.held() == []


class TestTheLock:
    def test_it_is_one_at_a_time(self, leases: Leases) -> None:
        with leases.locked():
            assert leases.try_lock() is None
            with pytest.raises(Busy, match="the proxy of 'work'"), leases.locked(patience_s=0):
                pass
        with leases.locked(patience_s=0):
            pass

    def test_it_goes_with_who_was_killed(self, leases: Leases, tmp_path: Path) -> None:
        with holder(tmp_path, "in the lock") as process:
            assert leases.try_lock() is None
            threading.Timer(0.05, process.kill).start()
            with leases.locked():
                assert leases.held() == []


def test_borrowed_is_said_of_one_process(leases: Leases) -> None:
    assert not leases.is_borrowed(17)
    leases.borrow(17)
    assert (leases.is_borrowed(17), leases.is_borrowed(18)) == (True, False)
    leases.keep()
    leases.keep()
    assert not leases.is_borrowed(17)


def test_others_cannot_read_them(leases: Leases, tmp_path: Path) -> None:
    with leases.locked():
        leases.take("claude")
    folder = tmp_path / "state/leases/work"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
