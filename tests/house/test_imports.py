"""Who may import whom, read from the imports themselves."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = {"rules": (), "addons": ("rules",), "cli": ("rules", "addons")}
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


@cache
def imports(path: Path) -> tuple[str, ...]:
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def importers(prefix: str) -> set[str]:
    return {
        str(path.relative_to(ROOT))
        for path in SOURCES
        for name in imports(path)
        if name == prefix or name.startswith(f"{prefix}.")
    }


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_only_what_stands_below_them(room: str) -> None:
    allowed = {room, *ROOMS[room]}
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (ROOT / room).rglob("*.py")
        for name in imports(path)
        if name.startswith("ringlet_mitm.") and name.split(".")[1] not in allowed
    ]
    assert wrong == []


def test_rules_are_pure() -> None:
    for library in ("mitmproxy", "duckdb", "asyncio", "socket", "urllib.request", "httpx", "time"):
        assert {path for path in importers(library) if path.startswith("rules/")} == set(), library


def test_rules_read_no_environment() -> None:
    found = [str(p.relative_to(ROOT)) for p in (ROOT / "rules").rglob("*.py") if "os.environ" in p.read_text()]
    assert found == []


def test_one_room_imports_duckdb() -> None:
    assert {path for path in importers("duckdb") if not path.startswith("addons/usage/")} == set()


def test_one_file_imports_genai_prices() -> None:
    assert importers("genai_prices") <= {"rules/pricelist.py"}


def test_no_file_but_the_stream_layers_imports_mitmproxys_layers() -> None:
    streams = {f"addons/{name}_stream.py" for name in ("http", "begun", "numbered")}
    assert importers("mitmproxy.proxy.layers") <= {*streams, "addons/socket_relay.py"}


def test_wire_formats_know_nothing_of_mitmproxy_or_the_rest() -> None:
    allowed = (
        "ringlet_mitm.addons.wire",
        "ringlet_mitm.rules.shapes",
        "ringlet_mitm.rules.pricing",
        "ringlet_mitm.rules.failures",
        "ringlet_mitm.rules.demands",
        "ringlet_mitm.rules.errors",
    )
    wrong = [
        f"{path.name} imports {name}"
        for path in (ROOT / "addons" / "wire").rglob("*.py")
        for name in imports(path)
        if name.startswith("mitmproxy") or (name.startswith("ringlet_mitm.") and not name.startswith(allowed))
    ]
    assert wrong == []


def test_the_stand_in_vendor_shares_no_codec_with_the_product() -> None:
    assert {path for path in importers("ringlet_mitm.addons.wire") if path.startswith("cli/demo/")} == set()


def test_files_with_addons_do_not_import_each_other() -> None:
    """Only `master.py` names them all."""
    hooks = {"request", "requestheaders", "responseheaders", "response", "http_connect", "running", "error"}

    def holds_addon(path: Path) -> bool:
        classes = (node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef))
        return any(
            isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) and item.name in hooks
            for node in classes
            for item in node.body
        )

    files = {path.stem for path in (ROOT / "addons").glob("*.py") if holds_addon(path)} - {"master", "plugin"}
    wrong = [
        f"{name} imports {target}"
        for name in files
        for target in imports(ROOT / "addons" / f"{name}.py")
        if target.startswith("ringlet_mitm.addons.") and target.split(".")[2] in files - {name}
    ]
    assert wrong == []
