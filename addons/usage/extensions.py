"""DuckDB's extensions, loaded only where a person's ledger target needs them.

Each from the first place that has it:
1. a package of PyPI for exactly this DuckDB, `duckdb-extension-ducklake` and so on, for networks that are closed;
2. DuckDB's own folder, where an earlier time has put it;
3. extensions.duckdb.org, which is said, since nothing else of the ledger asks the network.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import duckdb

from ringlet_mitm.rules.errors import LedgerError
from ringlet_mitm.rules.ledger_target import Kind, LedgerTarget

logger = logging.getLogger(__name__)


def needed(target: LedgerTarget) -> tuple[str, ...]:
    """The extensions that a target cannot be read without."""
    catalogue = ("postgres_scanner", "ducklake") if target.kind is Kind.DUCKLAKE else ()
    return (*catalogue, "httpfs") if target.in_s3 else catalogue


def load(connection: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
    """Have the connection understand them; raises LedgerError where one is nowhere to be had."""
    for name in names:
        packed = packaged(name)
        try:
            if packed is not None:
                connection.execute(f"LOAD {quoted(str(packed))}")
            else:
                _load_by_name(connection, name)
        except duckdb.Error as error:
            raise LedgerError(_absent(name, error)) from None


def packaged(name: str) -> Path | None:
    """The file of an extension that a package has brought for this version of DuckDB."""
    found = find_spec(f"duckdb_extension_{name}")
    for folder in (found.submodule_search_locations or []) if found else []:
        file = Path(folder) / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        if file.is_file():
            return file
    return None


def quoted(text: str) -> str:
    """As SQL has a text."""
    return "'" + text.replace("'", "''") + "'"


def _load_by_name(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    try:
        connection.execute(f"LOAD {name}")
    except duckdb.Error:
        logger.warning("DuckDB's extension %s is fetched from extensions.duckdb.org, once", name)
        connection.execute(f"INSTALL {name}")
        connection.execute(f"LOAD {name}")


def _absent(name: str, error: duckdb.Error) -> str:
    package = f"duckdb-extension-{name.replace('_', '-')}"
    why = str(error).partition("\n")[0]
    return (
        f"the ledger's target needs DuckDB's extension {name}, which is not installed and cannot be fetched ({why}); "
        f"without a way to extensions.duckdb.org:  pip install {package}  (it brings the DuckDB that it is made for)"
    )
