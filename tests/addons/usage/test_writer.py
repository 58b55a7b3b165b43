"""The writer loses nothing and doubles nothing, and is in nobody's way."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from children import HOLD, child
from ledgers import request

from ringlet_mitm.addons.usage import turns
from ringlet_mitm.addons.usage.ledger import reading, transaction, writing
from ringlet_mitm.addons.usage.rows import AttemptRow, encode_line
from ringlet_mitm.addons.usage.spool import Spool, all_files
from ringlet_mitm.addons.usage.turns import BROKEN, BUSY, PERIOD_S, STOP_S
from ringlet_mitm.addons.usage.writer import Writer
from ringlet_mitm.rules.tokens import Calibration

# Rows go in while it appends, so that a signal can come at any point of either.
APPEND_AND_WRITE = """
spool = Spool(spool_dir, "work", rotate_bytes=20_000)
writer = Writer(spool, database)
writer.start()
for number in range(1000):
    row = request(id=new_id())
    spool.append(row, (AttemptRow(request_id=row.id, number=1, provider="p", model="m", started_us=1),))
    say(row.id)
    if number % 50 == 0:
        writer.flush()
        time.sleep(0.03)
if sys.argv[2] == "stop":
    writer.stop()
    spool.close()
"""
FULL_DISK = """
spool = Spool(spool_dir, "work")
writer = Writer(spool, database)
for number in range(300):
    spool.append(request(id=f"{number:04}"), ())
    if number == 99:
        writer.turn()
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), hard))
pauses = writer.turn(), writer.turn()
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
say(*pauses, len(all_files(spool_dir)))
say(writer.turn(), len(all_files(spool_dir)))
"""


class Home:
    """A spool and its writer, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.database, self.spool_dir = folder / "data" / "usage.duckdb", folder / "spool"
        self.spool = Spool(self.spool_dir, "work")
        self.calibrations: list[Calibration] = []
        self.writer = Writer(self.spool, self.database, self.calibrations.append)

    def append(self, *ids: str, **given: object) -> None:
        for one in ids:
            tried = AttemptRow(request_id=one, number=1, provider="p", model="m", started_us=1)
            self.spool.append(request(id=one, **given), (tried,))

    def files(self) -> list[str]:
        return sorted(path.suffix for path in self.spool_dir.iterdir())

    def stored(self) -> list[str]:
        """What is in the database, each with its one attempt."""
        with reading(self.database, self.spool_dir / "none", views=()) as connection:
            found = connection.execute("SELECT id FROM requests ORDER BY id").fetchall()
            assert connection.execute("SELECT request_id FROM attempts ORDER BY ALL").fetchall() == found
        return [one for (one,) in found]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    yield made
    made.writer.stop()


def until(true: Callable[[], bool]) -> None:
    """Wait for another thread or process."""
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


def test_a_turn_stores_the_rows_and_deletes_the_files(home: Home) -> None:
    home.append("a", "b")
    assert home.writer.turn() == PERIOD_S
    assert (home.stored(), home.files()) == (["a", "b"], [])
    home.append("c")
    assert home.writer.turn() == PERIOD_S
    assert (home.stored(), home.files()) == (["a", "b", "c"], [])


def test_nothing_to_store_makes_no_database(home: Home) -> None:
    assert home.writer.turn() == PERIOD_S
    assert not home.database.parent.exists()


def test_the_database_is_opened_only_when_there_are_rows(home: Home, tmp_path: Path) -> None:
    home.append("a")
    home.writer.turn()
    with child(HOLD, tmp_path) as holder:
        assert holder.line() == "locked"
        assert home.writer.turn() == PERIOD_S


def test_files_of_a_process_that_died_are_stored_and_live_ones_of_others_are_not(home: Home) -> None:
    home.spool_dir.mkdir()
    dead = home.spool_dir / "other.999999.1.jsonl"
    tried = AttemptRow(request_id="dead", number=1, provider="p", model="m", started_us=1)
    dead.write_bytes(encode_line(request(id="dead"), (tried,)))
    other = Spool(home.spool_dir, "other")
    other.append(request(id="live"), ())
    home.append("own")
    home.writer.turn()
    assert (home.stored(), len(all_files(home.spool_dir))) == (["dead", "own"], 1)
    other.close()


def test_a_file_that_comes_back_is_stored_once(home: Home, tmp_path: Path) -> None:
    """As when a process is killed between its commit and deleting the file."""
    home.append("a", "b")
    home.spool.seal()
    kept = shutil.copytree(home.spool_dir, tmp_path / "kept")
    home.writer.turn()
    for _ in range(2):
        shutil.copytree(kept, home.spool_dir, dirs_exist_ok=True)
        home.writer.turn()
        assert (home.stored(), home.files()) == (["a", "b"], [])


def test_more_than_a_batch(home: Home) -> None:
    ids = [f"{number:05}" for number in range(4500)]
    for start in range(0, 4500, 900):
        home.append(*ids[start : start + 900])
        home.spool.seal()
    home.writer.turn()
    assert (home.stored(), home.files()) == (ids, [])


def test_lines_that_are_no_rows_are_set_aside_and_block_nothing(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    home.append("a")
    (torn,) = all_files(home.spool_dir)
    home.spool.seal()
    torn.write_bytes(b"hello\n" + torn.read_bytes() + b'{"v": 1, "request": {"id": "x"')
    (home.spool_dir / "alien.jsonl").write_text("nothing\n\nof ours\n")
    home.append("b")
    for _ in range(2):
        assert home.writer.turn() == PERIOD_S
    assert (home.stored(), home.files()) == (["a", "b"], [".bad", ".bad"])
    assert sorted(record.message.split(" ")[0] for record in caplog.records) == ["2", "3"]


def test_a_file_that_cannot_be_read_is_left_and_said_once(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    (home.spool_dir / "folder.1.1.jsonl").mkdir(parents=True)
    home.append("a")
    for _ in range(3):
        assert home.writer.turn() == PERIOD_S
    assert home.stored() == ["a"]
    assert len([record for record in caplog.records if "folder.1.1" in record.message]) == 1


def test_a_file_that_cannot_be_deleted_is_stored_once_and_said_once(
    home: Home, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".jsonl":
            raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "unlink", refused)
    home.append("a")
    for _ in range(3):
        assert home.writer.turn() == PERIOD_S
    assert (home.stored(), len(all_files(home.spool_dir))) == (["a"], 1)
    assert len([record for record in caplog.records if "Operation not permitted" in record.message]) == 1


# What goes wrong


def test_a_database_that_another_process_has(
    home: Home, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pauses grow, it is said once when it lasts, the spool does not fall to pieces, and all is stored at last."""
    monkeypatch.setattr(turns, "IN_LINE_S", (0.05, 0.05))
    with child(HOLD, tmp_path) as holder:
        assert holder.line() == "locked"
        home.append("0")
        pauses = []
        for number in range(1, 11):
            pauses.append(home.writer.turn())
            home.append(str(number))
            assert len(caplog.records) == (number >= BUSY.said_at)
        assert pauses == sorted(pauses) and (pauses[0], pauses[-1]) == (BUSY.first_s, BUSY.most_s)
        assert len(all_files(home.spool_dir)) == 2
        holder.go()
        assert holder.line() == "free"
    assert home.writer.turn() == 0.0, "what came meanwhile is next"
    assert home.writer.turn() == PERIOD_S
    assert (home.stored(), home.files()) == (sorted(map(str, range(11))), [])
    assert [record.message.split(" ")[:3] for record in caplog.records] == [
        ["usage", "rows", "wait"],
        ["usage", "rows", "are"],
    ]
    assert "in use by python" in caplog.records[0].message


def test_a_short_lock_is_not_worth_a_word(home: Home, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    home.append("a")
    with child(HOLD, tmp_path) as holder:
        assert holder.line() == "locked"
        home.writer.turn()
    home.writer.turn()
    assert (home.stored(), caplog.records) == (["a"], [])


def test_a_place_that_takes_no_database(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    home.database.parent.write_text("in the way")
    home.append("a")
    assert [home.writer.turn() for _ in range(7)] == [2, 4, 8, 16, 32, 60, 60]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    home.database.parent.unlink()
    home.append("b")
    home.writer.turn()
    home.writer.turn()
    assert (home.stored(), home.files()) == (["a", "b"], [])


def test_a_database_of_a_newer_version(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    with writing(home.database) as connection:
        connection.execute("UPDATE schema_version SET version = 99")
    home.append("a")
    assert home.writer.turn() == BROKEN.first_s
    assert "upgrade" in caplog.text
    assert home.files() == [".jsonl"]


@pytest.mark.parametrize(
    ("limit", "meanwhile", "after"),
    [
        pytest.param("20000", "2.0 4.0 1", "0.0 0", id="no room for the log: the commit fails"),
        pytest.param("400000", "2.0 2.0 0", "2.0 0", id="no room for blocks: the rows stay in the log"),
    ],
)
def test_a_full_disk(tmp_path: Path, limit: str, meanwhile: str, after: str) -> None:
    with child(FULL_DISK, tmp_path, limit) as process:
        assert process.rest() == [meanwhile, after]
    home = Home(tmp_path)
    home.spool.append(request(id="later"), ())
    home.writer.turn()
    with reading(home.database, home.spool_dir, views=()) as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT id) FROM requests").fetchall() == [(301, 301)]


def test_a_spool_that_was_on_a_full_disk_is_written_and_stored(home: Home) -> None:
    home.spool_dir.write_text("in the way")
    home.append("a", "b")
    assert home.spool.unsaved == 2
    home.writer.turn()
    home.spool_dir.unlink()
    home.writer.turn()
    assert (home.spool.unsaved, home.stored()) == (0, ["a", "b"])


def test_a_bug_of_ours_does_not_end_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken(calibration: Calibration) -> None:
        raise ZeroDivisionError

    spool = Spool(tmp_path / "spool", "work")
    writer = Writer(spool, tmp_path / "usage.duckdb", broken)
    spool.append(request(id="a"), ())
    assert writer.turn() == BROKEN.first_s
    assert "ZeroDivisionError" in caplog.text


# Threads and processes


def test_the_thread_stores_while_it_runs(home: Home) -> None:
    home.writer.start()
    home.append("a")
    home.writer.flush()
    until(lambda: home.database.exists() and home.stored() == ["a"])
    home.append("b")
    until(lambda: home.stored() == ["a", "b"])


def test_the_thread_goes_on_when_the_lock_is_gone(home: Home, tmp_path: Path) -> None:
    with child(HOLD, tmp_path) as holder:
        assert holder.line() == "locked"
        home.append("a")
        home.writer.start()
        until(lambda: home.writer._failures > 1)
        holder.go()
        until(lambda: home.files() == [])
    assert home.stored() == ["a"]


def test_stopping_stores_what_there_is(home: Home) -> None:
    home.writer.start()
    home.append("a", "b")
    home.writer.stop()
    assert (home.stored(), home.files()) == (["a", "b"], [])
    home.writer.stop()


def test_stopping_does_not_wait_for_a_lock(home: Home, tmp_path: Path) -> None:
    with child(HOLD, tmp_path) as holder:
        assert holder.line() == "locked"
        home.writer.start()
        home.append("a")
        begun = time.monotonic()
        home.writer.stop()
        assert time.monotonic() - begun < STOP_S
    again = Home(tmp_path)
    again.writer.turn()
    assert again.stored() == ["a"]


def test_stopping_does_not_wait_for_what_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "STOP_S", 0.1)
    hanging, done = threading.Event(), threading.Event()

    def hang(calibration: Calibration) -> None:
        hanging.set()
        done.wait(20)

    spool = Spool(tmp_path / "spool", "work")
    writer = Writer(spool, tmp_path / "usage.duckdb", hang)
    spool.append(request(id="a"), ())
    writer.start()
    assert hanging.wait(20)
    begun = time.monotonic()
    writer.stop()
    assert time.monotonic() - begun < 5
    done.set()


def test_stopping_waits_for_a_lock_that_is_gone_soon(home: Home, tmp_path: Path) -> None:
    """Two proxies that end together meet at the database."""
    with child(HOLD, tmp_path) as holder:
        assert holder.line() == "locked"
        home.append("a")
        home.writer.start()
        letting_go = threading.Timer(0.4, holder.go)
        letting_go.start()
        home.writer.stop()
        letting_go.join()
    assert (home.stored(), home.files()) == (["a"], [])


def test_stopping_what_never_started(home: Home) -> None:
    home.append("a")
    home.writer.stop()
    assert home.files() == [".jsonl"]


@pytest.mark.parametrize("after", [150, 400, 700])
def test_a_process_killed_while_it_appends_and_stores(tmp_path: Path, after: int) -> None:
    with child(APPEND_AND_WRITE, tmp_path, "kill") as process:
        said = process.lines(after)
        said += process.kill()
    with reading(tmp_path / "data" / "usage.duckdb", tmp_path / "spool", views=()) as connection:
        before = connection.execute("SELECT id FROM requests ORDER BY id").fetchall()
    home = Home(tmp_path)
    home.writer.turn()
    assert [(one,) for one in home.stored()] == before
    assert home.files() == []
    # It may have been killed between an append and saying so.
    assert [one for (one,) in before][: len(said)] == said and len(before) <= len(said) + 1


def test_two_proxies_at_once_one_of_which_is_killed(tmp_path: Path) -> None:
    with child(APPEND_AND_WRITE, tmp_path, "stop") as one, child(APPEND_AND_WRITE, tmp_path, "kill") as other:
        said = other.lines(500)
        said += other.kill()
        said += one.rest()
    home = Home(tmp_path)
    home.writer.turn()
    stored = home.stored()
    assert set(said) <= set(stored) and len(stored) <= len(said) + 1


# Calibration


def test_ratios_are_handed_out_at_the_start_and_when_they_change(home: Home, tmp_path: Path) -> None:
    home.append("a", counted_tokens=1000, input_tokens=1500)
    home.writer.turn()
    home.append("b")
    home.writer.turn()
    assert [found.ratios for found in home.calibrations] == [{("anthropic", "claude-sonnet-4-5"): 1.5}]
    again = Home(tmp_path)
    again.writer.turn()
    again.writer.turn()
    assert again.calibrations == home.calibrations


def test_a_file_that_comes_back_teaches_nothing(home: Home, tmp_path: Path) -> None:
    home.append("a", counted_tokens=1000, input_tokens=1500)
    home.spool.seal()
    kept = shutil.copytree(home.spool_dir, tmp_path / "kept")
    home.writer.turn()
    shutil.copytree(kept, home.spool_dir, dirs_exist_ok=True)
    home.writer.turn()
    with writing(home.database) as connection, transaction(connection):
        assert connection.execute("SELECT samples FROM calibration").fetchall() == [(1,)]
