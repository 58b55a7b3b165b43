"""The writer of a proxy stores in a process of its own, and fails no other way than in its own."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from children import HOLD, child
from ledgers import request

from ringlet_mitm.addons.usage import apart, turns
from ringlet_mitm.addons.usage.apart import LEAST_S, WriterApart
from ringlet_mitm.addons.usage.ledger import reading
from ringlet_mitm.addons.usage.spool import Spool
from ringlet_mitm.addons.usage.turns import BROKEN, BUSY, PERIOD_S
from ringlet_mitm.rules.tokens import Calibration


class Home:
    """A spool and its writer, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.database, self.spool_dir = folder / "data" / "usage.duckdb", folder / "spool"
        self.spool = Spool(self.spool_dir, "work")
        self.calibrations: list[Calibration] = []
        self.writer = WriterApart(self.spool, self.database, self.calibrations.append)

    def stored(self) -> list[str]:
        with reading(self.database, self.spool_dir / "none", views=()) as connection:
            return [one for (one,) in connection.execute("SELECT id FROM requests ORDER BY id").fetchall()]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    yield made
    made.writer.stop()
    made.spool.close()


def test_a_turn_stores_and_rests_twenty_times_as_long(home: Home) -> None:
    home.spool.append(request(id="a"), ())
    begun = time.monotonic()
    pause = home.writer.turn()
    took = time.monotonic() - begun
    assert home.stored() == ["a"]
    assert LEAST_S <= pause <= max(LEAST_S, 20 * took)


def test_without_rows_there_is_no_second_process(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert home.writer.turn() >= LEAST_S
    assert not home.database.exists()
    monkeypatch.setattr(apart, "MODULE", "there.is.no.such.module")
    assert home.writer.turn() == PERIOD_S


def test_what_was_learned_is_handed_out_at_the_start_and_when_it_changes(home: Home, tmp_path: Path) -> None:
    home.spool.append(request(id="a", counted_tokens=1000, input_tokens=1500), ())
    home.writer.turn()
    again = Home(tmp_path)
    again.writer.turn()
    expected = [Calibration({("anthropic", "claude-sonnet-4-5"): 1.5})]
    assert (home.calibrations, again.calibrations) == (expected, expected)


def test_a_locked_database(home: Home, tmp_path: Path) -> None:
    with child(HOLD, tmp_path) as holder:
        assert holder.line() == "locked"
        home.spool.append(request(id="a"), ())
        assert home.writer.turn() == BUSY.first_s
        holder.go()
        assert holder.line() == "free"
    assert home.writer.turn() == 0.0
    assert home.stored() == ["a"]


def test_a_process_that_fails_is_said_and_tried_again(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    home.spool.append(request(id="a"), ())
    with monkeypatch.context() as broken:
        broken.setattr(apart, "MODULE", "there.is.no.such.module")
        assert home.writer.turn() == BROKEN.first_s
        assert "storing them ended with code 1" in caplog.text
    home.writer.turn()
    assert home.stored() == ["a"]


def test_lines_that_are_no_rows_are_set_aside(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    home.spool.append(request(id="a"), ())
    home.spool.seal()
    (file,) = home.spool_dir.iterdir()
    with file.open("ab") as end:
        end.write(b"no row\n")
    home.writer.turn()
    assert home.stored() == ["a"]
    assert [path.suffix for path in home.spool_dir.iterdir()] == [".bad"]


def test_the_thread_stores_and_stopping_stores_the_rest(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "STOP_S", 60.0)  # a busy machine takes longer than three seconds to start Python
    home.writer.start()
    home.spool.append(request(id="a"), ())
    home.writer.stop()
    assert home.stored() == ["a"]
