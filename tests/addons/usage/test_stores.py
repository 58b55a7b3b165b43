"""Stores that machines share: nothing is lost, nothing counts twice, whoever dies or is away."""

from __future__ import annotations

import os
from pathlib import Path

from shared_machines import MACHINE, Machine, Place, at, machines, place, servers
from shared_stores import DUCKDB, S3_KEYS, installed

__all__ = ["machines", "place", "servers"]

ONE = f"{MACHINE}append(3); writer.turn(); say(*seen()); say(len(list(spool_dir.glob('*.jsonl'))))"
MANY = f"""{MACHINE}
sys.stdin.readline()
for _ in range(6):
    append(40)
    writer.turn()
say("stored")
sys.stdin.readline()
say(*seen())
"""
NOT_YET_DELETED = f"""{MACHINE}
writer._clear = lambda batch: None
append(5, started_us=YESTERDAY)
append(5)
writer.turn()
say(*seen())
writer.turn()
say(*seen())
# What was not deleted comes again among others, in another file.
(file,) = spool_dir.glob("*.jsonl")
append(1)
spool.seal()
other = next(path for path in all_files(spool_dir) if path != file)
other.write_bytes(other.read_bytes() + file.read_bytes())
file.unlink()
writer.turn()
other.unlink()
say(*seen())
say(stores.compact(shared).less >= 0)
say(*seen())
"""
AWAY = f"""{MACHINE}
append(4)
pause = writer.turn()
say(pause, len(list(spool_dir.glob("*.jsonl"))))
append(2)
try:
    seen()
except LedgerError as error:
    say(error)
sys.stdin.readline()
while writer.turn():
    append(0)
    break
writer.turn()
say(*seen())
say(len(list(spool_dir.glob("*.jsonl"))))
"""
KILLED = f"""{MACHINE}
while True:
    append(20)
    writer.turn()
    say("turn")
"""
READ = f"{MACHINE}say(*seen())"
SELECT = f"""{MACHINE}
from ringlet_mitm.addons.usage.reports import selected
with reading(database, spool_dir, shared=shared, views=["spend"]) as connection:
    say(selected(connection, "SELECT count(*), sum(known_cost) FROM spend").rows)
"""
AGAIN = f"{MACHINE}writer.turn(); say(*seen()); say(len(list(spool_dir.glob('*.jsonl'))))"
COMPACTED = f"{MACHINE}say(*seen()); say(stores.compact(shared).less); say(*seen()); say(stores.compact(shared).less)"
DAYS = f"{MACHINE}\nfor _ in range(2):\n    append(4, started_us=YESTERDAY)\n    writer.turn()\nsay(*seen())"


@at("directory", "ducklake", "ducklake-s3")
def test_one_machine_stores_and_another_reads(machines: tuple[Machine, Machine]) -> None:
    one, two = machines
    assert one.says(ONE) == ["3 3 0.7500000000 3 räuber proxy", "0"]
    assert two.says(READ) == ["3 3 0.7500000000 3 räuber proxy"]
    assert two.says(SELECT) == ["((3, Decimal('0.7500000000')),)"]


@at("directory", "ducklake")
def test_two_machines_store_at_once(machines: tuple[Machine, Machine]) -> None:
    one, two = machines
    with one.runs(MANY) as first, two.runs(MANY) as second:
        for process in (first, second):
            process.go()
        for process in (first, second):
            # Both make the tables of a new DuckLake, and one of them only the second time.
            while process.line() != "stored":
                pass
        for process in (first, second):
            process.go()
            assert process.rest() == ["480 480 120.0000000000 480 räuber proxy"]


@at("directory", "ducklake")
def test_what_is_stored_twice_counts_once(machines: tuple[Machine, Machine]) -> None:
    ten, eleven = ("10 10 2.5000000000 10 räuber proxy", "11 11 2.7500000000 11 räuber proxy")
    assert machines[0].says(NOT_YET_DELETED) == [ten, ten, eleven, "True", eleven]


@at("directory", "ducklake")
def test_killed_in_the_middle(machines: tuple[Machine, Machine]) -> None:
    """Every row is in the spool, in the store or in both, and the next proxy of that home finds it."""
    one, two = machines
    with one.runs(KILLED) as process:
        turns = len([line for line in process.lines(2) if line == "turn"])
        turns += process.kill().count("turn")
    before = one.says(READ)[0].split()
    assert before[0] == before[1] == before[3] and int(before[0]) >= 20 * turns
    assert one.says(AGAIN) == [" ".join(before), "0"]
    assert two.says(READ) == [" ".join(before)]


@at("directory", "s3", "ducklake")
def test_a_day_becomes_one_file(machines: tuple[Machine, Machine], place: Place) -> None:
    one, two = machines
    eight = "8 8 2.0000000000 8 räuber proxy"
    assert one.says(DAYS) == [eight]
    said = two.says(COMPACTED)
    assert (said[0], said[2], said[3]) == (eight, eight, "0")
    if place.database is None:
        assert said[1] == "2"


def test_a_store_that_is_away_loses_nothing(tmp_path: Path) -> None:
    away = tmp_path / "away"
    machine = Machine(tmp_path / "one", ("--shared", str(away), ""), dict(os.environ))
    with machine.runs(AWAY) as process:
        said = process.lines(3)
        away.mkdir()
        process.go()
        said += process.rest()
    why = f"the shared ledger: there is no directory {away}; if it is to be new:  mkdir -p {away}"
    assert said == [
        f"usage rows wait in {tmp_path}/one/spool and are stored later: {why}",
        "2.0 1",
        why,
        f"usage rows are stored again in {away}",
        "6 6 1.5000000000 6 räuber proxy",
        "0",
    ]


def test_a_database_server_that_is_away(tmp_path: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": str(installed(DUCKDB)), "PGPASSWORD": "s3cr3t-word"}
    target = f"ducklake:postgres:dbname=usage host={tmp_path}"
    machine = Machine(tmp_path / "one", ("--shared", target, str(tmp_path / "files")), environ)
    with machine.runs(AWAY) as process:
        said = process.lines(3)
    assert f"the shared ledger {target}: " in said[0]
    assert said[1] == "2.0 1"
    assert said[2].startswith(f"the shared ledger {target}: ")
    assert "s3cr3t-word" not in "".join(said)


def test_without_an_extension_it_is_said_what_to_install(tmp_path: Path) -> None:
    environ = {
        **os.environ,
        "HOME": str(tmp_path),
        "HTTPS_PROXY": "http://127.0.0.1:1",
        "HTTP_PROXY": "http://127.0.0.1:1",
    }
    machine = Machine(tmp_path / "one", ("--shared", "s3://team/usage", ""), {**environ, **S3_KEYS})
    with machine.runs(AWAY) as process:
        said = process.lines(2)
    assert said[0] == "DuckDB's extension httpfs is fetched from extensions.duckdb.org, once"
    assert "pip install duckdb-extension-httpfs" in said[1]
