"""A store of Parquet files: `requests/day=2026-11-21/NAME.parquet` and `attempts/…` below a directory or S3 prefix.

The day is the request's in UTC, for its attempts as well. A batch is a file of the spool, and NAME is made of the ids
in it: put twice, it is the same file. Nobody finds half a file, since S3 shows it when it is whole and a directory when
it is renamed. `attempts` come first: a request that is found has them.

Compacting makes one file of all of a day that is over, and deletes the others once that is there. Whoever reads in
between finds rows twice, and counts them once. Two that do it at once harm nobody: a file is deleted only when a larger
one with all of its rows is there.

Any program that reads Parquet may read these files; DuckDB by
    SELECT … FROM read_parquet('TARGET/requests/*/*.parquet', union_by_name = true)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import xxhash

from ringlet_mitm.addons.usage.extensions import quoted
from ringlet_mitm.addons.usage.shared_tables import BATCH, KEYS, NAME, SHARED, There
from ringlet_mitm.rules.errors import LedgerError
from ringlet_mitm.rules.ledger_target import S3, LedgerTarget

Connection = duckdb.DuckDBPyConnection
Delete = Callable[[str], None]

DAY = "coalesce(strftime(make_timestamp(started_us), '%Y-%m-%d'), '1970-01-01')"
# Attempts are of the day of their request.
OF_A_DAY: Mapping[str, str] = {
    "attempts": f"SELECT * FROM {BATCH}.attempts WHERE request_id IN "
    f"(SELECT id FROM {BATCH}.requests WHERE {DAY} = ?) ORDER BY request_id, number",
    "requests": f"SELECT * FROM {BATCH}.requests WHERE {DAY} = ? ORDER BY id",
}
IDS: Mapping[str, str] = {"requests": "id", "attempts": "request_id"}
# Row groups of this many rows let a report over a few days pass over most of a compacted file.
OPTIONS = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20480"
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")


def read(connection: Connection, target: LedgerTarget) -> There | None:
    """Views over the files that there are now: what is added or merged later changes no report that is being made."""
    _check_there(target)
    connection.execute(f"ATTACH ':memory:' AS {NAME}")
    found = {table: _files(connection, target, table) for table in SHARED}
    if not found["requests"]:
        return None
    # A file is asked for its columns by each view that is made of it: a third of the time (94 files, 2026-11).
    connection.execute("SET parquet_metadata_cache = true")
    for table, files in found.items():
        if files:
            connection.execute(f"CREATE VIEW {NAME}.{table} AS SELECT * FROM {_scan(files)}")
        else:
            names = ", ".join(f'CAST(NULL AS {sql}) AS "{name}"' for name, sql in SHARED[table].items())
            connection.execute(f"CREATE VIEW {NAME}.{table} AS SELECT {names} WHERE false")
    columns = {table: frozenset(_columns(connection, f"{NAME}.{table}")) for table in SHARED}
    # One file of a day has each request once.
    several = [file for files in _by_day(found["requests"]).values() if len(files) > 1 for file in files]
    return There(columns, _scan(several) if several else "")


def put(connection: Connection, target: LedgerTarget) -> set[str]:
    """A file for each day of the batch; gives the ids of the requests whose file is new."""
    _check_there(target)
    there = set(_files(connection, target, "requests"))
    new: set[str] = set()
    for day, ids in _ids_by_day(connection).items():
        name = _name(ids)
        for table, select in OF_A_DAY.items():
            file = f"{target.text}/{table}/day={day}/{name}.parquet"
            if table == "attempts" and not _any_attempt(connection, ids):
                continue
            _write(connection, select, [day], file)
            if table == "requests" and file not in there:
                new.update(ids)
    return new


def compact(connection: Connection, target: LedgerTarget) -> int:
    """One file for each day that is over; gives how many files less there are."""
    today, delete = f"day={datetime.now(UTC):%Y-%m-%d}", _deleting(target)
    less = 0
    for table in OF_A_DAY:
        for day, files in _by_day(_files(connection, target, table)).items():
            if day < today and len(files) > 1:
                less += _merge(connection, table, files, delete)
    return less


def find_s3(connection: Connection) -> None:
    """S3 that is not Amazon's is where AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL says; keys DuckDB finds itself."""
    parts = urlsplit(_endpoint())
    if parts.netloc:
        connection.execute(f"SET s3_endpoint = {quoted(parts.netloc + parts.path.rstrip('/'))}")
        connection.execute(f"SET s3_use_ssl = {str(parts.scheme != 'http').lower()}")
        connection.execute("SET s3_url_style = 'path'")


def _check_there(target: LedgerTarget) -> None:
    """A share that is not mounted is not an empty store, and making its directory would put rows where nobody looks."""
    if not target.text.startswith(S3) and not Path(target.text).is_dir():
        raise LedgerError(f"the shared ledger: there is no directory {target}; if it is to be new:  mkdir -p {target}")


def _files(connection: Connection, target: LedgerTarget, table: str) -> list[str]:
    pattern = f"{target.text}/{table}/*/*.parquet"
    rows = connection.execute("SELECT file FROM glob(?) ORDER BY file", [pattern]).fetchall()
    return [str(file).replace("\\", "/") for (file,) in rows]


def _by_day(files: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for file in files:
        found.setdefault(file.rsplit("/", 2)[1], []).append(file)
    return found


def _scan(files: Iterable[str]) -> str:
    listed = ", ".join(map(quoted, files))
    return f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"


def _columns(connection: Connection, relation: str) -> list[str]:
    return [str(row[0]) for row in connection.execute(f"DESCRIBE {relation}").fetchall()]


def _ids_by_day(connection: Connection) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for day, one in connection.execute(f"SELECT {DAY}, id FROM {BATCH}.requests ORDER BY id").fetchall():
        found.setdefault(day, []).append(one)
    return found


def _any_attempt(connection: Connection, ids: list[str]) -> bool:
    sql = f"SELECT count(*) FROM {BATCH}.attempts WHERE request_id IN (SELECT unnest(CAST(? AS VARCHAR[])))"
    ((count,),) = connection.execute(sql, [ids]).fetchall()
    return bool(count)


def _name(ids: list[str]) -> str:
    """Sorts by time; no two machines have the same, since their ids are their own."""
    return f"{ids[0]}-{xxhash.xxh64_hexdigest(chr(10).join(ids).encode())}"


def _write(connection: Connection, select: str, values: list[str], file: str) -> None:
    """Whole or not at all."""
    if file.startswith(S3):
        connection.execute(f"COPY ({select}) TO {quoted(file)} ({OPTIONS})", values)
        return
    path = Path(file)
    for folder in (path.parent.parent, path.parent):
        folder.mkdir(exist_ok=True)
    fresh = path.with_name(f".{path.stem}.{os.getpid()}.new")
    try:
        connection.execute(f"COPY ({select}) TO {quoted(str(fresh))} ({OPTIONS})", values)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _merge(connection: Connection, table: str, files: list[str], delete: Delete) -> int:
    scan, whole = _scan(files), KEYS[table]
    ids = connection.execute(f"SELECT DISTINCT {IDS[table]} FROM {scan} ORDER BY 1").fetchall()
    merged = f"{files[0].rsplit('/', 1)[0]}/{_name([str(one) for (one,) in ids])}.parquet"
    once = f"SELECT * FROM {scan} QUALIFY row_number() OVER (PARTITION BY {whole}) = 1 ORDER BY {whole}"
    _write(connection, once, [], merged)
    gone = [file for file in files if file != merged]
    for file in gone:
        delete(file)
    return len(gone) - (merged not in files)


def _deleting(target: LedgerTarget) -> Delete:
    """How a file is deleted there; in S3 by Amazon's own library, since DuckDB deletes whole folders only."""
    if not target.text.startswith(S3):
        return lambda file: Path(file).unlink(missing_ok=True)
    try:
        session = import_module("botocore.session").get_session()
    except ImportError:
        raise LedgerError("to merge files in S3 takes botocore:  pip install 'ringlet-mitm[aws]'") from None
    client = session.create_client("s3", endpoint_url=_endpoint() or None)

    def delete(file: str) -> None:
        parts = urlsplit(file)
        client.delete_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))

    return delete


def _endpoint() -> str:
    return next((os.environ[name] for name in ENDPOINTS if os.environ.get(name)), "")
