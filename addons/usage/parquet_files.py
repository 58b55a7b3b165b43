"""Files of a Parquet store, in a directory or in S3: how they are listed, read, written whole, and deleted.

Names are those below the store: it may be mounted elsewhere on another machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb

from ringlet_mitm.addons.usage.extensions import quoted
from ringlet_mitm.rules.errors import LedgerError
from ringlet_mitm.rules.ledger_target import S3, LedgerTarget

Connection = duckdb.DuckDBPyConnection
Delete = Callable[[str], None]

# Row groups of this many rows let a report over a few days pass over most of a compacted file.
OPTIONS = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20480"
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")


def find_s3(connection: Connection) -> None:
    """S3 that is not Amazon's is where AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL says; keys DuckDB finds itself."""
    parts = urlsplit(_endpoint())
    if parts.netloc:
        connection.execute(f"SET s3_endpoint = {quoted(parts.netloc + parts.path.rstrip('/'))}")
        connection.execute(f"SET s3_use_ssl = {str(parts.scheme != 'http').lower()}")
        connection.execute("SET s3_url_style = 'path'")


def check_there(target: LedgerTarget) -> None:
    """A share that is not mounted is not an empty store, and making its directory would put rows where nobody looks."""
    if not target.text.startswith(S3) and not Path(target.text).is_dir():
        raise LedgerError(f"the shared ledger: there is no directory {target}; if it is to be new:  mkdir -p {target}")


def listed(connection: Connection, target: LedgerTarget, pattern: str) -> list[str]:
    """Names of the files that there are, in their order."""
    begin = len(target.text) + 1
    rows = connection.execute("SELECT file FROM glob(?) ORDER BY file", [f"{target.text}/{pattern}"]).fetchall()
    return [str(file).replace("\\", "/")[begin:] for (file,) in rows]


def scan(target: LedgerTarget, files: Iterable[str]) -> str:
    """What to select from to read these; a column that some do not have is NULL there."""
    names = ", ".join(quoted(f"{target.text}/{file}") for file in files)
    return f"read_parquet([{names}], union_by_name = true, hive_partitioning = false)"


def size(connection: Connection, target: LedgerTarget, files: list[str]) -> dict[str, int]:
    """The bytes of each of these."""
    if not target.text.startswith(S3):
        return {file: _bytes(Path(target.text, file)) for file in files}
    begin = len(target.text) + 1
    rows = connection.execute("SELECT filename, size FROM read_blob(?)", [[f"{target.text}/{one}" for one in files]])
    return {str(file)[begin:]: int(bytes_) for file, bytes_ in rows.fetchall()} if files else {}


def write(connection: Connection, target: LedgerTarget, select: str, values: list[Any], file: str) -> None:
    """Whole or not at all: S3 shows a file when it is whole, and in a directory it is renamed then."""
    if target.text.startswith(S3):
        connection.execute(f"COPY ({select}) TO {quoted(f'{target.text}/{file}')} ({OPTIONS})", values)
        return
    path = Path(target.text, file)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.stem}.{os.getpid()}.new")
    try:
        connection.execute(f"COPY ({select}) TO {quoted(str(fresh))} ({OPTIONS})", values)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def deleting(target: LedgerTarget) -> Delete:
    """How a file is deleted there; in S3 by Amazon's own library, since DuckDB deletes whole folders only."""
    if not target.text.startswith(S3):
        return lambda file: Path(target.text, file).unlink(missing_ok=True)
    try:
        session = import_module("botocore.session").get_session()
    except ImportError:
        raise LedgerError("to delete files in S3 takes botocore:  pip install 'ringlet-mitm[aws]'") from None
    client = session.create_client("s3", endpoint_url=_endpoint() or None)
    parts = urlsplit(target.text)

    def delete(file: str) -> None:
        client.delete_object(Bucket=parts.netloc, Key=f"{parts.path}/{file}".lstrip("/"))

    return delete


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _endpoint() -> str:
    return next((os.environ[name] for name in ENDPOINTS if os.environ.get(name)), "")
