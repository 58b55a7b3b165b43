"""The ledger: a DuckDB file that one process may write, or several may read, at a time.

So nobody keeps it open. `writing` holds it while rows go in; `reading` waits for its turn and adds the rows that are
still in the spool, so that a report is complete whether or not a proxy is running, and whether or not there is a
database yet.

What does not work, tried:
- To open the database first and look into the spool then: where there is no database yet, one may come to be in
  between and the spool be empty. The spool is read first; what is in both is counted once.
- `executemany`, or a value list: some milliseconds a row, and the values are bound while Python's interpreter lock is
  held, which stops the streams of a proxy. One JSON text a batch takes 0.05 ms a row, without the lock.
- To make the file in its place: a process killed while it does leaves one that DuckDB will not open any more.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from ringlet_mitm.addons.usage.opening import at_the_door, first_in_line
from ringlet_mitm.addons.usage.pruned import pruned
from ringlet_mitm.addons.usage.rows import (
    KINDS,
    SCHEMA_VERSION,
    AttemptRow,
    RequestRow,
    columns,
)
from ringlet_mitm.addons.usage.shared_tables import NAME as SHARED_NAME
from ringlet_mitm.addons.usage.spool import all_files, contents
from ringlet_mitm.addons.usage.stores import sources
from ringlet_mitm.addons.usage.transactions import transaction as transaction
from ringlet_mitm.addons.usage.uniting import united
from ringlet_mitm.addons.usage.view_choice import chosen
from ringlet_mitm.rules.errors import LedgerError
from ringlet_mitm.rules.ledger_target import LedgerTarget

Connection = duckdb.DuckDBPyConnection
Exchanged = tuple[RequestRow, tuple[AttemptRow, ...]]

_HERE = Path(__file__).parent
CHUNK_ROWS = 1000
POLL_S = 0.05

# Nothing is fetched from the network, and no Python variable can be meant by a table's name.
SETTINGS: dict[str, Any] = {"autoinstall_known_extensions": False, "python_enable_replacements": False}
_FILE_SETTINGS: dict[str, Any] = {
    **SETTINGS,
    # More threads would only take time from a proxy's streams.
    "threads": 1,
    # DuckDB 2 otherwise makes files that no DuckDB 1 reads, and a person may have either.
    "storage_compatibility_version": "v1.0.0",
}
# Of another process (Unix, Windows), of another connection of this one (DuckDB 1.1 and 2).
_BUSY = re.compile(
    r"Could not set lock|used by another process|different configuration|file handle conflict|already attached"
)
_HOLDER = re.compile(r"held in (\S+) \(PID (\d+)\)")


class LedgerBusy(LedgerError):
    """Somebody else has the database open; try again in a moment."""


@contextmanager
def writing(path: Path, *, wait_s: float = 0.0) -> Iterator[Connection]:
    """The database, made and migrated where need be, for as short a time as possible: everybody else waits.

    For `wait_s` it waits for those who have it, and whoever comes to read meanwhile waits for it. Raises LedgerBusy
    where that is not enough, LedgerError where it cannot be opened or written, or is of a newer version of this
    program.
    """
    try:
        if not path.exists():
            _make(path)
        connection = _opened_in_turn(path, wait_s)
    except (duckdb.Error, OSError) as error:
        raise explained(error, path) from error
    try:
        _migrate(connection, path, _texts("migrations"))
        _install_views(connection)
        yield connection
    except duckdb.Error as error:
        raise explained(error, path) from error
    finally:
        with at_the_door(path):
            connection.close()


def insert(connection: Connection, exchanges: Iterable[Exchanged]) -> list[RequestRow]:
    """Store what is not stored yet, and never was, and say what that was. To be called within a `transaction`."""
    wanted = {request.id: (request, attempts) for request, attempts in exchanges}
    known = _known(connection, wanted) | pruned(connection, (request for request, _ in wanted.values()))
    fresh = [exchange for request_id, exchange in wanted.items() if request_id not in known]
    fill(connection, fresh)
    return [request for request, _ in fresh]


@contextmanager
def stored(path: Path, *, wait_s: float = 0.0) -> Iterator[Connection]:
    """The database alone, as it is, only to be read; raises LedgerBusy, or LedgerError where there is none."""
    with _waited(lambda: _opened_to_read(path), path, wait_s) as connection:
        try:
            yield connection
        except duckdb.Error as error:
            raise explained(error, path) from error


@contextmanager
def beside(path: Path, *, wait_s: float = 0.0) -> Iterator[Connection]:
    """An empty database in memory and the one at `path`, only to be read, as `stored`; others may read it as well."""
    with duckdb.connect(config=_FILE_SETTINGS) as connection:
        _waited(lambda: _attached(connection, path), path, wait_s)
        try:
            yield connection
        except duckdb.Error as error:
            raise explained(error, path) from error


@contextmanager
def reading(
    path: Path,
    spool_dir: Path,
    *,
    wait_s: float = 10.0,
    shared: LedgerTarget | None = None,
    views: Collection[str] | None = None,
) -> Iterator[Connection]:
    """`requests`, `attempts` and our views over the database and the spool before it; either may not exist.

    `shared` is the store that this machine has with others, and counts as well; `views` are those that are needed, all
    where it is None. Nothing is written, also not to the disk. Raises LedgerBusy where somebody else writes for longer
    than `wait_s`.
    """
    spooled = _spooled(spool_dir)
    with duckdb.connect(config=SETTINGS) as connection:
        try:
            _present(connection, path, spooled, wait_s, shared)
            for view in chosen(_texts("views"), views):
                connection.execute(view)
        except (duckdb.Error, OSError) as error:
            raise explained(error, path) from error
        yield connection


def _present(
    connection: Connection, path: Path, spooled: list[Exchanged], wait_s: float, shared: LedgerTarget | None
) -> None:
    connection.execute("ATTACH ':memory:' AS spool")
    for table, kind in KINDS.items():
        definition = ", ".join(f'"{name}" {sql}' for name, sql in columns(kind).items())
        connection.execute(f"CREATE TABLE spool.{table} ({definition})")
    there = _attach(connection, path, wait_s) if path.exists() else {}
    known = _known(connection, [request.id for request, _ in spooled], "stored.") if there else set()
    if "pruned" in there:
        known |= pruned(connection, (request for request, _ in spooled), "stored.")
    beyond = sources(connection, shared) if shared is not None else {}
    if beyond:
        known |= _known(connection, [request.id for request, _ in spooled], f"{SHARED_NAME}.")
    if "pruned" in beyond:
        known |= pruned(connection, (request for request, _ in spooled), f"{SHARED_NAME}.")
    fill(connection, [exchange for exchange in spooled if exchange[0].id not in known], "spool.")
    for table, kind in KINDS.items():
        connection.execute(f"CREATE VIEW {table} AS {united(table, kind, there.get(table), beyond.get(table))}")


def _attach(connection: Connection, path: Path, wait_s: float) -> dict[str, set[str]]:
    """Put the database beside what is spooled; its tables and their columns."""
    _waited(lambda: _attached(connection, path), path, wait_s)
    found = connection.execute(
        "SELECT table_name, list(column_name) FROM duckdb_columns() "
        "WHERE database_name = 'stored' AND schema_name = 'main' GROUP BY ALL"
    ).fetchall()
    there = {table: set(names) for table, names in found}
    if "schema_version" not in there:
        return {}
    _check_version(_version(connection, "stored."), path)
    return there


def _spooled(folder: Path) -> list[Exchanged]:
    """What waits in the spool; a file that is gone meanwhile is in the database."""
    found = {}
    for file in all_files(folder):
        with suppress(OSError):
            found.update({exchange[0].id: exchange for exchange in contents(file).exchanges})
    return list(found.values())


def _known(connection: Connection, ids: Collection[str], where: str = "") -> set[str]:
    """Which of the ids are stored.

    Ids go up with time, so that between the first and the last of them lie few blocks of a large table.
    """
    if not ids:
        return set()
    rows = connection.execute(
        f"SELECT id FROM {where}requests WHERE id BETWEEN ? AND ? AND id IN (SELECT unnest(CAST(? AS VARCHAR[])))",
        [min(ids), max(ids), list(ids)],
    ).fetchall()
    return {row[0] for row in rows}


def fill(connection: Connection, exchanges: list[Exchanged], where: str = "") -> None:
    """Put rows into the tables `requests` and `attempts` of the schema `where`."""
    for start in range(0, len(exchanges), CHUNK_ROWS):
        chunk = exchanges[start : start + CHUNK_ROWS]
        _put(connection, f"{where}requests", RequestRow, [request for request, _ in chunk])
        _put(connection, f"{where}attempts", AttemptRow, [attempt for _, attempts in chunk for attempt in attempts])


def _put(connection: Connection, table: str, kind: type[RequestRow] | type[AttemptRow], rows: Sequence[object]) -> None:
    """A value that its column cannot hold (a provider may report any number) becomes NULL: it is not known."""
    shape = msgspec.json.encode([{name: sql.split()[0] for name, sql in columns(kind).items()}]).decode()
    connection.execute(
        f"INSERT INTO {table} BY NAME SELECT unnest(from_json(?, '{shape}'), recursive := true)",
        [msgspec.json.encode(rows).decode()],
    )


def _make(path: Path) -> None:
    """An empty database for the owner alone, made under another name: whoever finds `path` finds a whole one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{time.time_ns()}")
    try:
        duckdb.connect(str(fresh), config=_FILE_SETTINGS).close()
        fresh.chmod(0o600)
        try:
            path.hardlink_to(fresh)
        except FileExistsError:
            # Another process was faster: its is the ledger.
            pass
        except OSError:
            # A file system without hard links, as on memory cards.
            if not path.exists():
                fresh.rename(path)
    finally:
        fresh.unlink(missing_ok=True)


def _migrate(connection: Connection, path: Path, migrations: Mapping[str, str]) -> None:
    """Bring the schema up to the last migration, one transaction each."""
    version = _version(connection)
    _check_version(version, path)
    for number, sql in ((int(name), sql) for name, sql in migrations.items()):
        if number > version:
            with transaction(connection):
                connection.execute(sql)
                connection.execute("UPDATE schema_version SET version = ?", [number])


def _version(connection: Connection, where: str = "") -> int:
    """The number of the last migration, 0 for a new database."""
    try:
        found = connection.execute(f"SELECT coalesce(max(version), 0) FROM {where}schema_version").fetchall()
    except duckdb.CatalogException:
        return 0
    return int(found[0][0])


def _check_version(version: int, path: Path) -> None:
    if version > SCHEMA_VERSION:
        raise LedgerError(
            f"the ledger {path} was written by a newer ringlet-mitm: its schema is {version}, "
            f"and this one knows {SCHEMA_VERSION}; upgrade this one to go on with it"
        )


def _install_views(connection: Connection) -> None:
    """For a person's own DuckDB; only where they have changed, since it makes the file larger."""
    views = _texts("views")
    fingerprint = hashlib.sha256("".join(views.values()).encode()).hexdigest()[:16]
    if connection.execute("SELECT views FROM schema_version").fetchall() == [(fingerprint,)]:
        return
    with transaction(connection):
        for view in views.values():
            connection.execute(view)
        connection.execute("UPDATE schema_version SET views = ?", [fingerprint])


def _texts(folder: str) -> dict[str, str]:
    """The SQL files of a folder beside this file, in the order of their names."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted((_HERE / folder).glob("*.sql"))}


def _opened_in_turn(path: Path, wait_s: float) -> Connection:
    """Where others have it, after them and before everybody who comes to read."""
    try:
        return _opened_to_write(path)
    except duckdb.Error as error:
        if not wait_s or not isinstance(explained(error, path), LedgerBusy):
            raise
    with first_in_line(path):
        return _waited(lambda: _opened_to_write(path), path, wait_s)


def _opened_to_write(path: Path) -> Connection:
    with at_the_door(path):
        return duckdb.connect(str(path), config=_FILE_SETTINGS)


def _opened_to_read(path: Path) -> Connection:
    with at_the_door(path, only_to_read=True):
        return duckdb.connect(str(path), read_only=True, config=_FILE_SETTINGS)


def _attached(connection: Connection, path: Path) -> Connection:
    quoted = str(path.absolute()).replace("'", "''")
    with at_the_door(path, only_to_read=True):
        return connection.execute(f"ATTACH '{quoted}' AS stored (READ_ONLY)")


def _waited(opened: Callable[[], Connection], path: Path, wait_s: float) -> Connection:
    """Try to open until nobody else has it, or the time is over."""
    end = time.monotonic() + wait_s
    while True:
        try:
            return opened()
        except duckdb.Error as error:
            found = explained(error, path)
            if not isinstance(found, LedgerBusy) or time.monotonic() >= end:
                raise found from error
        time.sleep(POLL_S)


def explained(error: duckdb.Error | OSError, path: Path) -> LedgerError:
    """What went wrong with the ledger at `path`, on one line; LedgerBusy where somebody else has it."""
    if isinstance(error, OSError):
        return LedgerError(f"the ledger {path} cannot be opened: {error.strerror}")
    text = str(error).partition("\n")[0]
    if _BUSY.search(text):
        holder = _HOLDER.search(text)
        who = f"{Path(holder[1]).name} (process {holder[2]})" if holder else "another program"
        return LedgerBusy(f"the ledger {path} is in use by {who}; it is free again when that is done")
    return LedgerError(f"the ledger {path}: {text}")
