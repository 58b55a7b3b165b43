from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from ledgers import NOON, request
from logged import SECOND_US, bills, call, later

from ringlet_mitm.addons.usage.imports import imported, importing
from ringlet_mitm.addons.usage.imports.calls import LoggedCall, Section
from ringlet_mitm.addons.usage.imports.importing import TOO_FRESH, Summary, run
from ringlet_mitm.addons.usage.imports.logs import AgentLog
from ringlet_mitm.addons.usage.ledger import LedgerBusy, insert, reading, transaction, writing
from ringlet_mitm.addons.usage.retention import prune
from ringlet_mitm.addons.usage.rows import RequestRow
from ringlet_mitm.rules.pricing import Usage

DAY_US = 86_400 * SECOND_US
CALL = call()
HALF = Usage(input_tokens=1000, output_tokens=3)


@dataclass(slots=True)
class Pages:
    """A log whose files are lists of calls, by name."""

    pages: dict[str, list[LoggedCall]] = field(default_factory=dict)

    def files(self, place: Path) -> list[Path]:
        return [place / name for name in self.pages]

    def sections(self, file: Path) -> Iterator[Section]:
        if file.name not in self.pages:
            raise OSError(13, "Permission denied")
        section = Section()
        for one in self.pages[file.name]:
            section.add(one)
        yield section


@dataclass(slots=True)
class Ledger:
    """A ledger in a folder, and what is imported into it."""

    folder: Path

    @property
    def database(self) -> Path:
        return self.folder / "usage.duckdb"

    def imported(self, *calls: LoggedCall, more: list[LoggedCall] | None = None, **given: Any) -> Summary:
        pages = Pages({"first": list(calls)} | ({"second": more} if more else {}))
        files = pages.files(self.folder)
        for file in files:
            file.touch()
        source = AgentLog("claude", "Claude Code", lambda environ, home: [], pages)
        return run(source, files, bills(), self.database, self.folder / "spool", **({"now_us": NOON + DAY_US} | given))

    def add(self, *rows: RequestRow) -> None:
        with writing(self.database) as connection, transaction(connection):
            insert(connection, [(row, ()) for row in rows])

    def asked(self, sql: str) -> list[Any]:
        with reading(self.database, self.folder / "spool") as connection:
            return connection.execute(sql).fetchall()


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path)


def seen(of: LoggedCall, **given: Any) -> RequestRow:
    """The row that the proxy has of a call."""
    said = {"session": of.session, "input_tokens": of.usage.input_tokens, "output_tokens": of.usage.output_tokens}
    return request(started_us=of.started_us, ended_us=of.ended_us + 1, **said | given)


def test_a_row_says_what_the_log_says_and_what_it_cost(ledger: Ledger) -> None:
    found = ledger.imported(call(project="shop"))
    assert (found.files, found.found, found.new, found.tokens_in, found.tokens_out) == (1, 1, 1, 1000, 100)
    assert (found.usd, found.first_us, found.last_us) == (Decimal("0.0045"), NOON, NOON)
    columns = (
        "origin, agent, session, project, provider, routed_model, rule, profile, status, cost_total, cost_as_asked"
    )
    assert ledger.asked(f"SELECT {columns} FROM requests") == [
        (
            "import:claude",
            "claude",
            "one",
            "shop",
            "anthropic",
            "claude-sonnet-4-5",
            "imported",
            "",
            200,
            Decimal("0.0045"),
            Decimal("0.0045"),
        )
    ]


def test_importing_again_changes_nothing(ledger: Ledger) -> None:
    calls = [later(CALL, place, key=str(place)) for place in range(5)]
    ledger.imported(*calls)
    before = ledger.asked("SELECT * FROM requests ORDER BY id")
    again = ledger.imported(*calls)
    assert (again.found, again.new, again.known) == (5, 0, 5)
    assert ledger.asked("SELECT * FROM requests ORDER BY id") == before


def test_what_two_files_say_counts_once(ledger: Ledger) -> None:
    found = ledger.imported(CALL, more=[later(CALL, 60, session="two"), later(CALL, 70, key="own", session="two")])
    assert (found.found, found.new, found.copies) == (2, 2, 1)
    assert ledger.asked("SELECT session FROM requests ORDER BY started_us") == [("one",), ("two",)]


def test_a_call_that_was_growing_gets_its_final_tokens_and_keeps_its_place(ledger: Ledger) -> None:
    ledger.imported(call(usage=HALF, sure=False), later(CALL, 5, key="other"))
    found = ledger.imported(later(CALL, 2), later(CALL, 5, key="other"))
    assert (found.new, found.grown, found.known) == (0, 1, 1)
    assert ledger.asked("SELECT started_us, output_tokens, usage_source, cost_total FROM requests ORDER BY id") == [
        (NOON, 100, "reported", Decimal("0.0045")),
        (NOON + 5 * SECOND_US, 100, "reported", Decimal("0.0045")),
    ]
    assert ledger.imported(call(usage=HALF)).known == 1


def test_what_went_through_the_proxy_is_left_out(ledger: Ledger) -> None:
    around = later(CALL, 600, key="around")
    ledger.add(seen(CALL))
    found = ledger.imported(CALL, around)
    assert (found.new, found.proxied) == (1, 1)
    assert ledger.asked("SELECT started_us FROM requests WHERE origin <> 'proxy'") == [(around.started_us,)]


def test_what_went_around_it_counts_in_reports_also_in_a_session_that_it_has_seen(ledger: Ledger) -> None:
    ledger.add(seen(CALL))
    ledger.imported(CALL, later(CALL, 600, key="around"))
    assert ledger.asked("SELECT sum(requests), sum(output) FROM spend") == [(2, 200)]


EARLIER = later(CALL, -300, usage=Usage(input_tokens=50, output_tokens=5))


def test_an_answer_that_was_imported_before_the_proxy_had_it_is_taken_out_again(ledger: Ledger) -> None:
    ledger.add(seen(EARLIER))
    ledger.imported(call(usage=HALF, sure=False), now_us=NOON + 60 * SECOND_US)
    ledger.add(seen(CALL))
    assert ledger.asked("SELECT sum(requests) FROM spend") == [(2,)]
    found = ledger.imported(CALL)
    assert (found.new, found.grown, found.proxied) == (0, 0, 1)
    assert ledger.asked("SELECT count(*) FROM requests") == [(2,)]


def test_an_answer_that_was_too_young_to_tell_is_settled_by_a_later_import(ledger: Ledger) -> None:
    ledger.add(seen(EARLIER))
    ledger.imported(CALL, now_us=NOON + 60 * SECOND_US)
    assert ledger.asked("SELECT sum(requests) FROM spend") == [(1,)]
    found = ledger.imported(CALL)
    assert (found.new, found.grown, found.known) == (0, 0, 1)
    assert ledger.asked("SELECT sum(requests) FROM spend") == [(2,)]


def test_what_is_being_answered_right_now_waits_for_the_next_time(ledger: Ledger) -> None:
    found = ledger.imported(CALL, now_us=NOON + SECOND_US)
    assert (found.found, found.skipped) == (0, {TOO_FRESH: 1})


def test_a_price_that_nobody_knows_is_none_and_the_logs_own_is_taken_for_it(ledger: Ledger) -> None:
    strange = call(key="strange", provider="compatible-with-all", model="any")
    priced = later(strange, 1, key="priced", cost=Decimal("0.25"))
    found = ledger.imported(strange, priced)
    assert found.unpriced == {"compatible-with-all/any": 1}
    assert found.usd == Decimal("0.25")
    assert ledger.asked("SELECT cost_total, price_source FROM requests ORDER BY started_us") == [
        (None, ""),
        (Decimal("0.25"), "claude's log"),
    ]


def test_a_dry_run_counts_the_same_and_writes_nothing(ledger: Ledger) -> None:
    assert ledger.imported(CALL, dry=True) == ledger.imported(CALL)
    assert ledger.imported(CALL, dry=True).known == 1


def test_since_leaves_out_what_was_before(ledger: Ledger) -> None:
    found = ledger.imported(CALL, later(CALL, 60, key="late"), since_us=NOON + SECOND_US)
    assert (found.early, found.new) == (1, 1)


def test_a_file_that_cannot_be_read_is_said_and_the_others_are_imported(ledger: Ledger) -> None:
    pages = Pages({"first": [CALL]})
    files = [ledger.folder / "gone", ledger.folder / "shut", *pages.files(ledger.folder)]
    for file in files[1:]:
        file.touch()
    source = AgentLog("claude", "Claude Code", lambda environ, home: [], pages)
    found = run(source, files, bills(), ledger.database, ledger.folder / "spool", now_us=NOON + DAY_US)
    assert (found.new, found.files) == (1, 1)
    assert {Path(name).name: why for name, why in found.unreadable.items()} == {
        "gone": "No such file or directory",
        "shut": "Permission denied",
    }


def test_many_calls_are_stored_batch_by_batch(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "BATCH_ROWS", 10)
    found = ledger.imported(*(later(CALL, place, key=str(place)) for place in range(25)))
    assert found.new == 25
    assert ledger.asked("SELECT count(*), count(DISTINCT id) FROM requests") == [(25, 25)]


def test_tokens_that_no_column_holds_are_unknown_and_no_error(ledger: Ledger) -> None:
    ledger.imported(call(usage=Usage(input_tokens=2**70)), later(CALL, 1, key="other"))
    assert ledger.asked("SELECT input_tokens FROM requests ORDER BY started_us") == [(None,), (1000,)]
    assert ledger.imported(call(usage=Usage(input_tokens=2**70)), later(CALL, 1, key="other")).new == 0


def test_a_ledger_that_somebody_else_keeps_is_waited_for_and_then_said(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imported, "WAIT_S", 0.2)
    ledger.imported(CALL)
    holder = duckdb.connect(str(ledger.database))
    try:
        with pytest.raises(LedgerBusy):
            imported.remove(ledger.database, [1], "import:claude")
    finally:
        holder.close()
    imported.remove(ledger.database, [CALL.digest], "import:claude")
    assert ledger.asked("SELECT count(*) FROM requests") == [(0,)]


def test_what_was_pruned_does_not_come_back(ledger: Ledger) -> None:
    ledger.imported(CALL)
    ledger.add(seen(later(CALL, 5, session="two"), id="of the proxy"))
    prune(ledger.database, NOON + 60 * SECOND_US)
    found = ledger.imported(CALL, later(CALL, 5, key="other", session="two"), later(CALL, 90, key="young"))
    assert (found.found, found.known, found.new) == (3, 1, 2)
    assert ledger.asked("SELECT sum(requests) FROM spend") == [(3,)]
