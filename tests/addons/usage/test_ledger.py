"""The database: made, migrated, shared between processes, and read together with the spool."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from dataclasses import fields, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from children import HOLD, child
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledgers import request

from ringlet_mitm.addons.usage import ledger
from ringlet_mitm.addons.usage.ledger import LedgerBusy, insert, reading, stored, transaction, writing
from ringlet_mitm.addons.usage.rows import SCHEMA_VERSION, AttemptRow, RequestRow, columns, encode_line, new_id
from ringlet_mitm.addons.usage.spool import Spool
from ringlet_mitm.rules.errors import LedgerError

Exchanged = tuple[RequestRow, tuple[AttemptRow, ...]]

# What a writer does while somebody waits for it.
BRING_IN = """
with writing(database) as connection:
    say("locked")
    sys.stdin.readline()
    time.sleep(0.3)
    for path in all_files(spool_dir):
        with transaction(connection):
            insert(connection, contents(path).exchanges)
        path.unlink()
"""
WRITE_20 = """
say("ready")
sys.stdin.readline()
for number in range(20):
    own = [(request(id=f"{sys.argv[2]}-{number}-{place}"), ()) for place in range(10)]
    shared = [(request(id=f"shared-{number}-{place}"), ()) for place in range(10)]
    while True:
        try:
            with writing(database) as connection, transaction(connection):
                insert(connection, own + shared)
            break
        except LedgerBusy:
            time.sleep(0.01)
"""
DIE = """
with writing(database) as connection:
    with transaction(connection):
        insert(connection, [(request(id="committed"), ())])
    connection.execute("BEGIN")
    insert(connection, [(request(id="not committed"), ())])
    os.kill(os.getpid(), 9)
"""


def exchange(request_id: str, attempts: int = 1, **given: Any) -> Exchanged:
    tries = (
        AttemptRow(request_id=request_id, number=n + 1, provider="p", model="m", started_us=n) for n in range(attempts)
    )
    return request(id=request_id, **given), tuple(tries)


def store(database: Path, exchanges: Iterable[Exchanged]) -> list[str]:
    with writing(database) as connection, transaction(connection):
        return [row.id for row in insert(connection, exchanges)]


def spool_file(folder: Path, exchanges: Iterable[Exchanged], name: str = "work.1.1.jsonl") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"".join(encode_line(row, attempts) for row, attempts in exchanges))
    return folder / name


def found(database: Path, spool: Path, sql: str = "SELECT id FROM requests ORDER BY id") -> list[Any]:
    with reading(database, spool, wait_s=0) as connection:
        rows = connection.execute(sql).fetchall()
    return [row[0] for row in rows] if rows and len(rows[0]) == 1 else rows


# Making


def test_the_migrations_make_the_columns_of_rows(tmp_path: Path) -> None:
    with writing(tmp_path / "usage.duckdb") as connection:
        for table, kind in (("requests", RequestRow), ("attempts", AttemptRow)):
            made = connection.execute(f"SELECT name, type, pk FROM pragma_table_info('{table}')").fetchall()
            assert {name: sql + " PRIMARY KEY" * key for name, sql, key in made} == columns(kind)
            assert [name for name, *_ in made] == list(columns(kind))
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(SCHEMA_VERSION,)]


def test_folder_and_file_are_the_owners_alone_and_nothing_else_is_left(tmp_path: Path) -> None:
    database = tmp_path / "data" / "usage.duckdb"
    store(database, [exchange("a")])
    assert database.parent.stat().st_mode & 0o777 == 0o700
    assert [(path.name, path.stat().st_mode & 0o777) for path in database.parent.iterdir()] == [("usage.duckdb", 0o600)]


def test_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    store(tmp_path / "usage.duckdb", [exchange("a")])
    assert [path.name for path in tmp_path.iterdir()] == ["usage.duckdb"]


def test_who_comes_second_takes_the_first_ones_database(tmp_path: Path) -> None:
    """Both have seen that there is none."""
    database = tmp_path / "usage.duckdb"
    store(database, [exchange("a")])
    ledger._make(database)
    assert found(database, tmp_path) == ["a"]
    assert [path.name for path in tmp_path.iterdir()] == ["usage.duckdb"]


def test_a_file_that_any_duckdb_1_reads(tmp_path: Path) -> None:
    """By itself DuckDB 2 writes a format of its own; the format's number stands at byte 12."""
    store(tmp_path / "usage.duckdb", [exchange("a")])
    head = (tmp_path / "usage.duckdb").read_bytes()[:16]
    assert (head[8:12], int.from_bytes(head[12:16], "little")) == (b"DUCK", 64)


def test_a_persons_own_duckdb_sees_the_views(tmp_path: Path) -> None:
    store(tmp_path / "usage.duckdb", [exchange("a"), exchange("b")])
    with duckdb.connect(str(tmp_path / "usage.duckdb"), read_only=True) as connection:
        assert connection.execute("SELECT sum(requests) FROM spend").fetchall() == [(2,)]


def test_views_of_an_older_version_are_replaced(tmp_path: Path) -> None:
    database = tmp_path / "usage.duckdb"
    store(database, [])
    with duckdb.connect(str(database)) as connection:
        connection.execute("CREATE OR REPLACE VIEW spend AS SELECT 1 AS old")
        connection.execute("UPDATE schema_version SET views = 'of an older version'")
    store(database, [exchange("a")])
    with duckdb.connect(str(database)) as connection:
        assert connection.execute("SELECT requests FROM spend").fetchall() == [(1,)]


# Inserting

COUNTS = st.integers(-(2**63), 2**63 - 1)
ROWS = st.builds(
    request,
    id=st.integers(0, 5).map(str),
    path=st.text(),
    note=st.text(),
    session=st.sampled_from(["", "a\0b", "'\"\\", "\ud7ff\U0001f600", "NULL", "\u2028"]) | st.text(),
    first_byte_us=st.none() | COUNTS,
    input_tokens=COUNTS,
    stream=st.booleans(),
    status=st.none() | st.integers(-(2**31), 2**31 - 1),
    calibration=st.floats(allow_nan=False, allow_infinity=False),
    cost_total=st.none() | st.decimals(-(10**7), 10**7, places=10),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROWS, max_size=8))
def test_what_is_stored_is_what_was_given(tmp_path: Path, rows: list[RequestRow]) -> None:
    expected = {row.id: row for row in rows}
    with writing(tmp_path / "usage.duckdb") as connection:
        connection.execute("BEGIN")
        assert {row.id: row for row in insert(connection, [(row, ()) for row in rows])} == expected
        given_back = connection.execute(f"SELECT {', '.join(columns(RequestRow))} FROM requests").fetchall()
        connection.execute("ROLLBACK")
    assert {row[0]: RequestRow(**dict(zip(columns(RequestRow), row, strict=True))) for row in given_back} == expected


@pytest.mark.parametrize(
    ("column", "value"),
    [
        pytest.param("input_tokens", 2**63, id="a count above 64 bits"),
        pytest.param("input_tokens", 10**400, id="a count beyond any number"),
        pytest.param("status", 2**31, id="a status above 32 bits"),
        pytest.param("cost_total", Decimal(10) ** 9, id="a price above the column's"),
        pytest.param("cost_total", Decimal("1E+999999"), id="a price beyond any number"),
        pytest.param("cost_total", Decimal("NaN"), id="no number"),
        pytest.param("calibration", float("inf"), id="an infinite ratio"),
    ],
)
def test_a_value_that_its_column_cannot_hold_is_unknown(tmp_path: Path, column: str, value: object) -> None:
    """A vendor may report any number; the row, and the others beside it, are stored all the same."""
    odd = request(id="odd", **{column: value})
    assert store(tmp_path / "usage.duckdb", [(odd, ()), exchange("even")]) == ["odd", "even"]
    sql = f"SELECT id FROM requests WHERE {column} IS NULL"
    assert found(tmp_path / "usage.duckdb", tmp_path, sql) == ["odd"]


def test_a_replay_stores_nothing_twice(tmp_path: Path) -> None:
    database = tmp_path / "usage.duckdb"
    exchanges = [exchange("a", 2), exchange("b", 1)]
    assert store(database, exchanges) == ["a", "b"]
    assert store(database, exchanges) == []
    assert store(database, [*exchanges, exchange("c", 3), exchange("c", 3)]) == ["c"]
    assert found(database, tmp_path, "SELECT request_id, count(*) FROM attempts GROUP BY ALL ORDER BY ALL") == [
        ("a", 2),
        ("b", 1),
        ("c", 3),
    ]


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    database = tmp_path / "usage.duckdb"
    with pytest.raises(ZeroDivisionError), writing(database) as connection, transaction(connection):
        insert(connection, [exchange("a")])
        raise ZeroDivisionError
    assert found(database, tmp_path) == []


def test_many_at_once(tmp_path: Path) -> None:
    exchanges = [exchange(new_id(), 1) for _ in range(2500)]
    database = tmp_path / "usage.duckdb"
    assert len(store(database, exchanges)) == 2500
    assert len(store(database, exchanges)) == 0
    assert found(database, tmp_path, "SELECT (SELECT count(*) FROM requests), count(*) FROM attempts") == [(2500, 2500)]


# Sharing


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    with child(WRITE_20, tmp_path, "a") as one, child(WRITE_20, tmp_path, "b") as other:
        assert (one.line(), other.line()) == ("ready", "ready")
        one.go()
        other.go()
        assert (one.rest(), other.rest()) == ([], [])
    sql = "SELECT split_part(id, '-', 1), count(*) FROM requests GROUP BY 1 ORDER BY 1"
    assert found(tmp_path / "data" / "usage.duckdb", tmp_path, sql) == [("a", 200), ("b", 200), ("shared", 200)]


def test_who_has_the_database_is_said(tmp_path: Path) -> None:
    database = tmp_path / "data" / "usage.duckdb"
    with child(HOLD, tmp_path) as holder:
        assert holder.line() == "locked"
        with pytest.raises(LedgerBusy, match=r"in use by python\S* \(process \d+\)"), writing(database):
            pass
        with pytest.raises(LedgerBusy), stored(database):
            pass
        with pytest.raises(LedgerBusy) as error, reading(database, tmp_path, wait_s=0.1):
            pass
        assert "\n" not in str(error.value)
        holder.go()
        holder.rest()
    with writing(database), pytest.raises(LedgerBusy), reading(database, tmp_path, wait_s=0):
        pass
    with reading(database, tmp_path), pytest.raises(LedgerBusy), writing(database):
        pass


def test_several_read_at_once(tmp_path: Path) -> None:
    database = tmp_path / "usage.duckdb"
    store(database, [exchange("a")])
    with reading(database, tmp_path) as one, reading(database, tmp_path) as other:
        for connection in (one, other):
            assert connection.execute("SELECT id FROM requests").fetchall() == [("a",)]


def test_a_reader_waits_for_a_writer_and_misses_nothing_it_brings_in(tmp_path: Path) -> None:
    """The spool file that the reader has seen is stored and deleted before the reader gets the database."""
    spool_file(tmp_path / "spool", [exchange("spooled")])
    with child(BRING_IN, tmp_path) as writer:
        assert writer.line() == "locked"
        writer.go()
        with reading(tmp_path / "data" / "usage.duckdb", tmp_path / "spool") as connection:
            assert connection.execute("SELECT id FROM requests").fetchall() == [("spooled",)]
            assert connection.execute("SELECT request_id FROM attempts").fetchall() == [("spooled",)]
        writer.rest()
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_writer_that_was_killed(tmp_path: Path) -> None:
    """What it had committed is there, before and after the next writer tidies up."""
    with child(DIE, tmp_path) as process:
        process.rest()
    database = tmp_path / "data" / "usage.duckdb"
    left = {path.name: path.read_bytes() for path in database.parent.iterdir()}
    assert len(left) == 2, "the database and its log"
    assert found(database, tmp_path) == ["committed"]
    assert {path.name: path.read_bytes() for path in database.parent.iterdir()} == left
    assert store(database, [exchange("later")]) == ["later"]
    assert found(database, tmp_path) == ["committed", "later"]


# Reading


def test_there_is_nothing_yet(tmp_path: Path) -> None:
    assert found(tmp_path / "data" / "usage.duckdb", tmp_path / "spool") == []
    assert found(tmp_path / "usage.duckdb", tmp_path, "SELECT * FROM attempts") == []
    assert found(tmp_path / "usage.duckdb", tmp_path, "SELECT * FROM spend") == []
    assert list(tmp_path.iterdir()) == []


def test_spool_and_database_are_read_as_one(tmp_path: Path) -> None:
    database, folder = tmp_path / "usage.duckdb", tmp_path / "spool"
    store(database, [exchange("a", 2), exchange("b", 2)])
    spool_file(folder, [exchange("b", 2), exchange("c", 1)])
    spool_file(folder, [exchange("c", 1)], "other.1.2.jsonl")
    live = Spool(folder, "work")
    live.append(*exchange("d", 3))
    assert found(database, folder) == ["a", "b", "c", "d"]
    sql = "SELECT request_id, count(*) FROM attempts GROUP BY ALL ORDER BY ALL"
    assert found(database, folder, sql) == [("a", 2), ("b", 2), ("c", 1), ("d", 3)]
    assert found(database, folder, "SELECT CAST(sum(requests) AS INTEGER) FROM spend") == [4]
    assert found(tmp_path / "none.duckdb", folder) == ["b", "c", "d"]
    assert found(database, tmp_path / "none") == ["a", "b"]
    live.close()


def test_what_is_no_row_in_the_spool_is_passed_over(tmp_path: Path) -> None:
    path = spool_file(tmp_path / "spool", [exchange("a")])
    path.write_bytes(path.read_bytes() + b"hello\n" + encode_line(*exchange("b")) + b'{"v": 1, "requ')
    (tmp_path / "spool" / "folder.1.1.jsonl").mkdir()
    assert found(tmp_path / "usage.duckdb", tmp_path / "spool") == ["a", "b"]


def test_reading_writes_nothing(tmp_path: Path) -> None:
    store(tmp_path / "usage.duckdb", [exchange("a")])
    spool_file(tmp_path / "spool", [exchange("b")])
    before = {path: path.stat().st_mtime_ns for path in [tmp_path, *tmp_path.rglob("*")]}
    assert found(tmp_path / "usage.duckdb", tmp_path / "spool") == ["a", "b"]
    assert {path: path.stat().st_mtime_ns for path in [tmp_path, *tmp_path.rglob("*")]} == before


def test_a_path_of_odd_characters(tmp_path: Path) -> None:
    database = tmp_path / 'it\'s a "größe"; --' / "usage.duckdb"
    store(database, [exchange("a")])
    assert found(database, tmp_path) == ["a"]


def test_reading_is_fast_when_there_is_much(tmp_path: Path) -> None:
    """Only what is spooled is compared, or a report on a million rows would take seconds."""
    database = tmp_path / "usage.duckdb"
    with writing(database) as connection:
        names = "printf('%016x', i) AS id, i AS started_us, 'r' || (i % 5) AS rule, 1 AS cost_total"
        connection.execute(f"INSERT INTO requests BY NAME SELECT {names} FROM range(200_000) AS t(i)")
    spool_file(tmp_path / "spool", [exchange(f"{i:016x}", 0, rule="r0") for i in range(199_990, 200_010)])
    begun = time.perf_counter()
    sql = "SELECT count(*), sum(cost_total), count(DISTINCT rule) FROM requests"
    assert found(database, tmp_path / "spool", sql) == [(200_010, 200_000, 5)]
    assert time.perf_counter() - begun < 2


# Versions

MIGRATIONS = Path(ledger.__file__).parent / "migrations"
OLD_COLUMNS = [column.name for column in fields(RequestRow) if column.metadata["since"] == 1]
SWITCHES = "SELECT id, switched_from, cost_switch, switches, switch, switch_cost FROM requests JOIN spend USING (id)"


def next_migrations(folder: Path, *texts: str) -> None:
    """Those that there are, and others after them."""
    shutil.copytree(MIGRATIONS, folder / "migrations")
    for number, sql in enumerate(texts, SCHEMA_VERSION + 1):
        (folder / "migrations" / f"{number:03}.sql").write_text(sql)


def version_1(database: Path, *requests: RequestRow) -> None:
    """A ledger as the first version left it: of its SQL, with its columns, and a view of its own."""
    with duckdb.connect(str(database), config={"storage_compatibility_version": "v1.0.0"}) as connection:
        connection.execute((MIGRATIONS / "001.sql").read_text(encoding="utf-8"))
        connection.execute("CREATE VIEW spend AS SELECT *, 1 AS requests FROM requests")
        connection.execute("UPDATE schema_version SET version = 1, views = 'of the first version'")
        marks = ", ".join("?" * len(OLD_COLUMNS))
        for row in requests:
            values = [getattr(row, name) for name in OLD_COLUMNS]
            connection.execute(f"INSERT INTO requests ({', '.join(OLD_COLUMNS)}) VALUES ({marks})", values)


def test_a_ledger_of_the_first_version_is_read_as_it_is(tmp_path: Path) -> None:
    """On a disk that takes no writes, or before a proxy of this version was started."""
    database, folder = tmp_path / "usage.duckdb", tmp_path / "spool"
    version_1(database, request(id="old", started_us=1))
    new = exchange("new", started_us=2, switched_from="groq/llama", cost_switch=Decimal("0.5"))
    spool_file(folder, [new])
    before = database.read_bytes()
    assert found(database, folder, f"{SWITCHES} ORDER BY id DESC") == [
        ("old", "", 0, 0, "", 0),
        ("new", "groq/llama", Decimal("0.5"), 1, "groq/llama → anthropic/claude-sonnet-4-5", Decimal("0.5")),
    ]
    assert database.read_bytes() == before


def test_a_ledger_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    database = tmp_path / "usage.duckdb"
    old = [request(id=f"old {place}", started_us=place, note="kept") for place in range(3)]
    version_1(database, *old)
    new = request(id="new", started_us=9, switched_from="groq/llama", cost_switch=None)
    assert store(database, [(new, ()), (old[0], ())]) == ["new"]
    with writing(database) as connection:
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(SCHEMA_VERSION,)]
        rows = connection.execute(f"SELECT {', '.join(columns(RequestRow))} FROM requests ORDER BY started_us")
        assert [RequestRow(**_named(row)) for row in rows.fetchall()] == [*old, new]
    assert found(database, tmp_path, "SELECT CAST(sum(switches) AS INTEGER), sum(switch_cost) FROM spend") == [(1, 0)]


def _named(row: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(columns(RequestRow), row, strict=True))


def test_the_first_version_does_not_change_any_more(tmp_path: Path) -> None:
    """Its databases are on people's disks: a column that comes later is a later migration's."""
    version_1(tmp_path / "usage.duckdb")
    with duckdb.connect(str(tmp_path / "usage.duckdb")) as connection:
        made = connection.execute("SELECT name FROM pragma_table_info('requests')").fetchall()
    assert [name for (name,) in made] == OLD_COLUMNS


def test_a_database_without_the_newest_columns_is_read_with_their_defaults(tmp_path: Path) -> None:
    """As a report of a new version finds it on a disk that takes no writes, or before the proxy was started again."""
    database = tmp_path / "usage.duckdb"
    store(database, [exchange("a", note="lost", usage_source="estimated", cost_total=Decimal(1))])
    with duckdb.connect(str(database)) as connection:
        connection.execute("DROP VIEW spend")
        # DuckDB drops no column before an indexed one's table is made anew.
        connection.execute("CREATE TABLE old AS SELECT * EXCLUDE (note, usage_source, cost_total) FROM requests")
        connection.execute("DROP TABLE requests")
        connection.execute("ALTER TABLE old RENAME TO requests")
        connection.execute("UPDATE schema_version SET version = 0")
    spool_file(tmp_path / "spool", [exchange("b", note="kept")])
    sql = "SELECT id, note, usage_source, cost_total, rule FROM requests ORDER BY id"
    assert found(database, tmp_path / "spool", sql) == [
        ("a", "", "none", None, "default → anthropic"),
        ("b", "kept", "reported", Decimal(0), "default → anthropic"),
    ]


def test_migrations_run_once_and_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ones that are not there yet: a new column, and one that needs it."""
    database, sql = tmp_path / "usage.duckdb", tmp_path / "sql"
    store(database, [exchange("a")])
    next_migrations(
        sql,
        "ALTER TABLE attempts ADD COLUMN mood VARCHAR DEFAULT 'good';",
        "UPDATE attempts SET mood = mood || '!'; ANALYZE;",
    )
    shutil.copytree(MIGRATIONS.parent / "views", sql / "views")
    monkeypatch.setattr(ledger, "_HERE", sql)
    monkeypatch.setattr(ledger, "SCHEMA_VERSION", SCHEMA_VERSION + 2)
    for _ in range(2):
        store(database, [exchange("b")])
        assert found(database, tmp_path, "SELECT version FROM stored.schema_version") == [SCHEMA_VERSION + 2]
    assert found(database, tmp_path, "SELECT mood FROM stored.attempts ORDER BY ALL") == ["good", "good!"]


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database, sql = tmp_path / "usage.duckdb", tmp_path / "sql"
    store(database, [exchange("a")])
    next_migrations(sql, "CREATE TABLE moods (id INTEGER); SELECT * FROM nowhere;")
    monkeypatch.setattr(ledger, "_HERE", sql)
    with pytest.raises(LedgerError, match="nowhere"):
        store(database, [exchange("b")])
    monkeypatch.undo()
    assert store(database, [exchange("b")]) == ["b"]
    assert found(database, tmp_path, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'moods'") == [0]


def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    database = tmp_path / "usage.duckdb"
    store(database, [exchange("a")])
    with duckdb.connect(str(database)) as connection:
        connection.execute("UPDATE schema_version SET version = version + 1")
    for opened in (writing(database), reading(database, tmp_path)):
        with pytest.raises(
            LedgerError, match=r"newer ringlet-mitm: its schema is \d+, and this one knows \d+; upgrade"
        ):
            opened.__enter__()


@pytest.mark.parametrize(
    "content",
    [pytest.param(b"", id="empty"), pytest.param(b"hello" * 5000, id="a text"), pytest.param(None, id="a folder")],
)
def test_a_file_that_is_no_database(tmp_path: Path, content: bytes | None) -> None:
    database = tmp_path / "usage.duckdb"
    if content is None:
        database.mkdir()
    else:
        database.write_bytes(content)
    for opened in (writing(database), reading(database, tmp_path), stored(database)):
        with pytest.raises(LedgerError) as error:
            opened.__enter__()
        assert not isinstance(error.value, LedgerBusy)
        assert str(database) in str(error.value) and "\n" not in str(error.value)
    assert content is None or database.read_bytes() == content


def test_a_database_of_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    database = tmp_path / "usage.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.execute("CREATE TABLE requests (mine INTEGER)")
    with pytest.raises(LedgerError, match="already exists"):
        store(database, [exchange("a")])
    with duckdb.connect(str(database)) as connection:
        assert connection.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("requests",)]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")
    with pytest.raises(LedgerError, match=r"the ledger .*/data/usage\.duckdb cannot be opened: "):
        store(tmp_path / "data" / "usage.duckdb", [exchange("a")])
    assert found(tmp_path / "data" / "usage.duckdb", tmp_path) == []


def test_a_bug_in_a_readers_sql_is_the_readers(tmp_path: Path) -> None:
    with pytest.raises(duckdb.Error), reading(tmp_path / "usage.duckdb", tmp_path) as connection:
        connection.execute("SELECT nonsense FROM requests")


def test_rows_are_replaced_by_nobody(tmp_path: Path) -> None:
    """A second row of the same id is the first one again, whatever it says."""
    database = tmp_path / "usage.duckdb"
    first, attempts = exchange("a", note="first")
    store(database, [(first, attempts)])
    assert store(database, [(replace(first, note="second"), attempts)]) == []
    assert found(database, tmp_path, "SELECT note FROM requests") == ["first"]
