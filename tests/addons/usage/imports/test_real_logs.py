"""The logs that real agents have left in fixtures/logs, beside what the proxy recorded of the same requests."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from ledgers import us
from logged import FIXTURES, bills, calls

from ringlet_mitm.addons.usage.imports.audit import audit
from ringlet_mitm.addons.usage.imports.importing import run
from ringlet_mitm.addons.usage.imports.logs import LOGS
from ringlet_mitm.addons.usage.ledger import reading
from ringlet_mitm.addons.usage.rows import RequestRow, decode_line
from ringlet_mitm.rules.pricing import Usage

NOW = us("2026-11-21T22:00+00:00")
Place = Callable[[str], Path]

# What the vendor has said of each answer, in order; the last of them in a forked session.
SAID = {
    "claude": [(361, 12151), (361, 12343), (361, 12505), (361, 12546), (361, 12588)],
    "codex": [(14921, 2048), (15281, 2048), (15586, 2048), (16135, 2048), (16336, 2048)],
    "opencode": [(7013, 512), (7197, 512), (7322, 512), (7359, 512), (7774, 512)],
    "gemini": [(8755, 1024), (8969, 1024), (9126, 1024)],
}
AGENTS = list(SAID)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Where the log of an agent is; a dump is made a database again."""

    def found(agent: str) -> Path:
        if agent != "opencode":
            return FIXTURES / agent
        with closing(sqlite3.connect(tmp_path / "opencode.db")) as connection:
            connection.executescript((FIXTURES / agent / "opencode.sql").read_text())
        return tmp_path / "opencode.db"

    return found


def spool(tmp_path: Path, agent: str) -> Path:
    """What the proxy recorded of it, as it waits for the ledger."""
    folder = tmp_path / f"spool of {agent}"
    folder.mkdir()
    shutil.copy(FIXTURES / agent / "ledger.jsonl", folder / "1.1.jsonl")
    return folder


def recorded(agent: str) -> list[RequestRow]:
    with (FIXTURES / agent / "ledger.jsonl").open("rb") as lines:
        return [decode_line(line)[0] for line in lines]


@pytest.mark.parametrize("agent", AGENTS)
def test_each_answer_counts_once_with_what_the_vendor_said(agent: str, place: Place) -> None:
    found = sorted(calls(LOGS[agent].log, place(agent)), key=lambda call: call.started_us)
    figures = [(call.usage.total_input - call.usage.cache_read_tokens, call.usage.cache_read_tokens) for call in found]
    assert figures == SAID[agent]
    assert {call.project for call in found} == {"work"}
    assert all(call.sure for call in found)


@pytest.mark.parametrize("agent", ["claude", "codex", "opencode"])
def test_what_was_copied_stays_with_the_session_it_was_copied_from(agent: str, place: Place) -> None:
    found = sorted(calls(LOGS[agent].log, place(agent)), key=lambda call: call.started_us)
    first, *_, forked = (call.session for call in found)
    assert [call.session for call in found] == [first] * 4 + [forked]
    assert first != forked
    assert {first, forked} == {row.session for row in recorded(agent)}


def test_how_long_a_cache_lasts_is_kept(place: Place) -> None:
    assert calls(LOGS["claude"].log, place("claude"))[0].usage == Usage(
        input_tokens=11,
        cache_read_tokens=12151,
        cache_write_5m_tokens=50,
        cache_write_1h_tokens=300,
        output_tokens=20,
    )


@pytest.mark.parametrize("agent", AGENTS)
def test_the_proxy_has_seen_all_of_it_with_the_same_tokens(agent: str, place: Place, tmp_path: Path) -> None:
    source = LOGS[agent]
    found = audit(source, source.log.files(place(agent)), bills(), tmp_path / "none", spool(tmp_path, agent))
    sums = {name: one.requests for name, one in found.sums.items()}
    beside = sum(row.usage.total_input > 0 for row in recorded(agent)) - len(SAID[agent])
    assert sums == {"around": 0, "equal": len(SAID[agent]), "differing": 0, "unlogged": beside}
    assert found.agrees


@pytest.mark.parametrize("agent", AGENTS)
def test_nothing_of_what_the_proxy_has_seen_is_imported(agent: str, place: Place, tmp_path: Path) -> None:
    source, database = LOGS[agent], tmp_path / "usage.duckdb"
    files = source.log.files(place(agent))
    found = run(source, files, bills(), database, spool(tmp_path, agent), now_us=NOW)
    assert (found.found, found.proxied, found.new) == (len(SAID[agent]), len(SAID[agent]), 0)
    assert not database.exists()


@pytest.mark.parametrize("agent", AGENTS)
def test_what_it_has_not_seen_is_imported_once_and_costs_the_same(agent: str, place: Place, tmp_path: Path) -> None:
    source, database = LOGS[agent], tmp_path / "usage.duckdb"
    files = source.log.files(place(agent))
    first, second = (run(source, files, bills(), database, tmp_path, now_us=NOW) for _ in range(2))
    assert (first.new, second.new, second.known) == (len(SAID[agent]), 0, len(SAID[agent]))
    with reading(database, tmp_path, views=()) as connection:
        sql = "SELECT started_us, cost_total, around FROM requests WHERE origin = ? ORDER BY started_us"
        rows = connection.execute(sql, [f"import:{agent}"]).fetchall()
    assert len(rows) == len(SAID[agent])
    assert all(around for *_, around in rows)
    costs = {row.usage.total_input: row.cost_total for row in recorded(agent)}
    assert [cost for _, cost, _ in rows] == [costs[fresh + cached] for fresh, cached in SAID[agent]]
