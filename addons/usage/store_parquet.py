"""A store of Parquet files: `requests/day=2026-11-21/NAME.parquet` and `attempts/…` below a directory or S3 prefix.

The day is the request's in UTC, for its attempts as well. A batch is a file of the spool, and NAME is made of the ids
in it: put twice, it is the same file. Nobody finds half a file (`parquet_files.py`). `attempts` come first: a request
that is found has them. No file is ever changed: an imported call that has grown is there twice, and the one with more
tokens counts.

Compacting makes one file of all of a day that is over; pruning makes sums of whole days (`daily/`, `pruned/` and
`pruned_sessions/`). Either is recorded as a change (`parquet_changes.py`), and the files that it replaces are deleted a
day later, so that nobody who reads just then finds one missing. A request that was pruned is known by the hash of its
id, whichever file it comes in.

Any program that reads Parquet may read these files; DuckDB by
    SELECT DISTINCT ON (id) … FROM read_parquet('TARGET/requests/*/*.parquet', union_by_name = true)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import duckdb
import xxhash

from ringlet_mitm.addons.usage.parquet_changes import (
    BEFORE,
    BUILT_ON,
    MERGED,
    OUT,
    SAW,
    Changes,
    age_us,
    changes,
    new_name,
    record,
    stands,
    sums_of,
    sweep,
)
from ringlet_mitm.addons.usage.parquet_files import Connection, check_there, listed, scan, size, write
from ringlet_mitm.addons.usage.shared_tables import (
    BATCH,
    IDS,
    KEYS,
    NAME,
    OLD,
    SHARED,
    SUMS,
    TOKENS,
    Compacted,
    Stored,
    There,
    no_row,
    once,
)
from ringlet_mitm.rules.errors import LedgerError
from ringlet_mitm.rules.ledger_target import LedgerTarget

NO_TIME = "1970-01-01"
DAY = f"coalesce(strftime(make_timestamp(started_us), '%Y-%m-%d'), '{NO_TIME}')"
# Attempts are of the day of their request.
OF_A_DAY: Mapping[str, str] = {
    "attempts": f"SELECT * FROM {BATCH}.attempts WHERE request_id IN "
    f"(SELECT id FROM {BATCH}.requests WHERE {DAY} = ?) ORDER BY request_id, number",
    "requests": f"SELECT * FROM {BATCH}.requests WHERE {DAY} = ? ORDER BY id",
}
# What an imported call has in its file's name beside its id, since it may come again and say more.
VERSION = f"CASE WHEN origin LIKE 'import:%' THEN concat_ws(':', {TOKENS}, around, usage_source) ELSE '' END"
# A prune that is named long before it is there could take the place of one that others rely on by then.
LATEST_US = 3600 * 1_000_000
# A file may be gone that was there when they were listed, once more and no oftener than this.
TRIES = 3


def read(connection: Connection, target: LedgerTarget) -> There | None:
    """Views over the files that there are now: what is added or merged later changes no report that is being made."""
    check_there(target)
    connection.execute(f"ATTACH IF NOT EXISTS ':memory:' AS {NAME}")
    # A file is asked for its columns by each view that is made of it: a third of the time (94 files, 2026-11).
    connection.execute("SET parquet_metadata_cache = true")
    for tries_left in reversed(range(TRIES)):
        try:
            return _read(connection, target)
        except (duckdb.IOException, duckdb.HTTPException):
            if not tries_left:
                raise
    return None


def put(connection: Connection, target: LedgerTarget) -> set[str]:
    """A file for each day of the batch; gives the ids of the requests whose file is new."""
    check_there(target)
    there = set(listed(connection, target, "requests/*/*.parquet"))
    new: set[str] = set()
    for day, versions in _versions_by_day(connection).items():
        name = _name(tuple(versions), tuple(versions.values()))
        if (file := f"requests/day={day}/{name}.parquet") in there:
            continue
        if _any_attempt(connection, list(versions)):
            write(connection, target, OF_A_DAY["attempts"], [day], f"attempts/day={day}/{name}.parquet")
        write(connection, target, OF_A_DAY["requests"], [day], file)
        new.update(versions)
    return new


def compact(connection: Connection, target: LedgerTarget) -> Compacted:
    """One file for each day that is over."""
    check_there(target)
    deleted = sweep(connection, target)
    today, found = f"day={datetime.now(UTC):%Y-%m-%d}", changes(connection, target)
    rows: list[tuple[str, str, str]] = []
    less = 0
    for table in OF_A_DAY:
        files = listed(connection, target, f"{table}/*/*.parquet")
        for day, several in _by_day(found.visible(files)).items():
            if day < today and len(several) > 1:
                merged = _merge(connection, target, table, several, files)
                rows += [(MERGED, file, merged) for file in several if file != merged]
                less += len(several) - 1
    if rows:
        record(connection, target, new_name(found), rows)
    return Compacted(less, deleted)


def prune(connection: Connection, target: LedgerTarget, before_us: int) -> None:
    """Record the sums in OLD, of what this connection has `read`.

    Raises LedgerError, and nothing is done, where another machine prunes at the same time and comes first.
    """
    seen: dict[str, list[str]] = {SAW: [], OUT: [], BUILT_ON: []}
    for what, name in connection.execute(f"SELECT what, name FROM {NAME}.seen").fetchall():
        seen[what].append(name)
    found = changes(connection, target)
    if {*found.sums} != {*seen[BUILT_ON]}:
        raise _lost(target)
    change = new_name(found)
    for table in SUMS:
        write(connection, target, f"SELECT * FROM {OLD}{table}", [], sums_of(change, table))
    out = [file for file in seen[OUT] if _is_before(file, before_us) and NO_TIME not in file]
    if age_us(change) > LATEST_US:
        raise LedgerError(f"the shared ledger {target}: it took too long to write the sums; nothing is pruned")
    rows = [(what, name, "") for what, names in {**seen, OUT: out}.items() for name in names]
    record(connection, target, change, [(BEFORE, str(before_us), ""), *rows])
    if not stands(connection, target, change):
        raise _lost(target)


def stored(connection: Connection, target: LedgerTarget) -> Stored:
    """What all of it takes up."""
    check_there(target)
    found = changes(connection, target)
    rows = {table: listed(connection, target, f"{table}/*/*.parquet") for table in SHARED}
    visible = {file for files in rows.values() for file in found.visible(files)}
    others = [file for table in (*SUMS, "changes") for file in listed(connection, target, f"{table}/*.parquet")]
    sizes = size(connection, target, [file for files in rows.values() for file in files] + others)
    waiting = sum(bytes_ for file, bytes_ in sizes.items() if file not in visible and file not in others)
    return Stored(len(visible), sum(sizes.values()), waiting)


def _lost(target: LedgerTarget) -> LedgerError:
    return LedgerError(f"the shared ledger {target}: another machine pruned it at the same time, and its sums count")


def _read(connection: Connection, target: LedgerTarget) -> There | None:
    # In this order: see parquet_changes.
    found = changes(connection, target)
    files = {table: found.visible(listed(connection, target, f"{table}/*/*.parquet")) for table in SHARED}
    if not files["requests"] and not found.sums:
        return None
    for table in SUMS:
        sums = [sums_of(change, table) for change in found.sums]
        select = f"SELECT * FROM {scan(target, sums)}" if sums else no_row(table)
        connection.execute(f"CREATE OR REPLACE VIEW {NAME}.{table} AS {select}")
    for table in SHARED:
        connection.execute(f"CREATE OR REPLACE VIEW {NAME}.{table} AS {_rows(target, table, files[table], found)}")
    columns = {table: frozenset(_columns(connection, f"{NAME}.{table}")) for table in (*SHARED, *SUMS)}
    _remember(connection, found, [file for table in SHARED for file in files[table]])
    doubtful = [_row_ids(target, table, several) for table in SHARED if (several := _several(files[table]))]
    return There(columns, f"({' UNION ALL '.join(doubtful)})" if doubtful else "")


def _several(files: list[str]) -> list[str]:
    """Those of days that have more than one: one file has each row once."""
    return [file for day in _by_day(files).values() if len(day) > 1 for file in day]


def _row_ids(target: LedgerTarget, table: str, files: list[str]) -> str:
    """Attempts are merged before their requests are, and may be there twice when these are not."""
    row_id = "id" if table == "requests" else "request_id || '/' || number AS id"
    return f"SELECT {row_id} FROM {scan(target, files)}"


def _rows(target: LedgerTarget, table: str, files: list[str], found: Changes) -> str:
    """All that counts; of days that were pruned what came later."""
    late = [file for file in files if found.sums and _is_before(file, found.before_us)]
    parts = [f"SELECT * FROM {scan(target, recent)}"] if (recent := [one for one in files if one not in late]) else []
    if late:
        pruned = f"SELECT id_hash FROM {NAME}.pruned"
        parts.append(f"SELECT * FROM {scan(target, late)} WHERE md5_number_lower({IDS[table]}) NOT IN ({pruned})")
    return " UNION ALL BY NAME ".join(parts) or no_row(table)


def _remember(connection: Connection, found: Changes, files: list[str]) -> None:
    """What was read, for who prunes it."""
    prunes = [prune.name for prune in (*found.standing, *found.lost)]
    seen = [(what, name) for what, names in ((SAW, prunes), (BUILT_ON, found.sums), (OUT, files)) for name in names]
    connection.execute(
        f"CREATE OR REPLACE TABLE {NAME}.seen AS SELECT unnest(?::VARCHAR[]) AS what, unnest(?::VARCHAR[]) AS name",
        [[what for what, _ in seen], [name for _, name in seen]],
    )


def _is_before(file: str, before_us: int) -> bool:
    """Whether it is of a day that is over by then."""
    return _day(file) < f"day={datetime.fromtimestamp(before_us / 1_000_000, UTC):%Y-%m-%d}"


def _day(file: str) -> str:
    return file.rsplit("/", 2)[1]


def _by_day(files: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for file in files:
        found.setdefault(_day(file), []).append(file)
    return found


def _columns(connection: Connection, relation: str) -> list[str]:
    return [str(row[0]) for row in connection.execute(f"DESCRIBE {relation}").fetchall()]


def _versions_by_day(connection: Connection) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    rows = connection.execute(f"SELECT {DAY}, id, {VERSION} FROM {BATCH}.requests ORDER BY id").fetchall()
    for day, one, version in rows:
        found.setdefault(day, {})[one] = version
    return found


def _any_attempt(connection: Connection, ids: list[str]) -> bool:
    sql = f"SELECT count(*) FROM {BATCH}.attempts WHERE request_id IN (SELECT unnest(CAST(? AS VARCHAR[])))"
    ((count,),) = connection.execute(sql, [ids]).fetchall()
    return bool(count)


def _name(ids: tuple[str, ...], versions: tuple[str, ...]) -> str:
    """Sorts by time; no two machines have the same, since their ids are their own, but for what both import."""
    text = "\n".join(map(str.__add__, ids, versions))
    return f"{ids[0]}-{xxhash.xxh64_hexdigest(text.encode())}"


def _merge(connection: Connection, target: LedgerTarget, table: str, files: list[str], there: list[str]) -> str:
    rows = once(table, scan(target, files))
    version = VERSION if table == "requests" else "''"
    found = connection.execute(f"SELECT DISTINCT {IDS[table]}, {version} FROM ({rows}) ORDER BY 1").fetchall()
    merged = f"{files[0].rsplit('/', 1)[0]}/{_name(*zip(*found, strict=True))}.parquet"
    if merged not in there:
        write(connection, target, f"{rows} ORDER BY {KEYS[table]}", [], merged)
    return merged
