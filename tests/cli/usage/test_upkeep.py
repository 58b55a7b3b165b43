"""`usage size`, `prune` and `vacuum` from the command line."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from ledgers import request

from ringlet_mitm.addons.usage.ledger import LedgerBusy, insert, transaction, writing
from ringlet_mitm.addons.usage.spool import Spool
from ringlet_mitm.cli.main import group
from ringlet_mitm.cli.usage import upkeep
from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.home import Home, home_of

TOTAL = "SELECT sum(requests) AS requests, sum(known_cost) AS usd FROM spend"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Ten requests of a year ago, one of them still in the spool, and one of today."""
    monkeypatch.setenv("RINGLET_HOME", str(tmp_path))
    home = home_of({"RINGLET_HOME": str(tmp_path)})
    long_ago = datetime.now().replace(hour=12) - timedelta(days=400)
    old = [
        request(id=f"{place:02}", started_us=round((long_ago + timedelta(days=place % 3)).timestamp() * 1e6), **USD)
        for place in range(10)
    ]
    new = request(id="new", started_us=round(datetime.now().timestamp() * 1e6), **USD)
    with writing(home.database) as connection, transaction(connection):
        insert(connection, [(row, ()) for row in [*old[:9], new]])
    spool = Spool(home.spool_dir, "work")
    spool.append(old[9], ())
    spool.seal()
    return home


USD = {"cost_total": Decimal("0.1234567891")}


def call(*words: str, said: str | None = None) -> Result:
    return CliRunner().invoke(group, ["usage", *words], input=said, catch_exceptions=False)


def total() -> list[dict[str, float]]:
    return json.loads(call("sql", "--json", TOTAL).output, parse_float=str)


class TestPrune:
    """What is older becomes sums, and reports say the same."""

    def test_it_adds_up(self, home: Home) -> None:
        there = total()
        done = call("prune", "--older-than", "365d", "--yes").output
        assert done.startswith("pruned 10 requests on 3 days, ")
        assert "; 3 sums by day are left of them\n" in done
        assert "usage vacuum" in done
        assert total() == there == [{"requests": 11, "usd": "1.3580246801"}]
        assert json.loads(call("sql", "--json", "SELECT count(*) AS n FROM requests").output) == [{"n": 1}]
        assert call("prune", "--older-than", "52w", "--yes").output.startswith(
            "nothing to prune: no requests from before 2"
        )

    def test_what_would_be(self, home: Home) -> None:
        before = home.database.read_bytes()
        assert call("prune", "--older-than", "365d", "--dry-run").output.startswith(
            "would prune 10 requests on 3 days, "
        )
        assert home.database.read_bytes() == before

    def test_nobody_is_asked_without_a_terminal(self, home: Home) -> None:
        with pytest.raises(UsageError, match=r"this cannot be undone: 10 requests.*--yes to do it"):
            call("prune", "--older-than", "365d", said="y\n")
        assert total()[0]["requests"] == 11

    @pytest.mark.parametrize(
        ("age", "said"),
        [("31d", "32d is the least"), ("1y", "write it like 365d or 52w"), ("-5d", "is no age"), ("", "is no age")],
    )
    def test_ages(self, home: Home, age: str, said: str) -> None:
        with pytest.raises(UsageError, match=said):
            call("prune", "--older-than", age, "--yes")

    def test_no_ledger_yet(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RINGLET_HOME", str(tmp_path / "new"))
        assert "nothing to prune" in call("prune", "--older-than", "365d").output
        assert not (tmp_path / "new").exists()

    def test_somebody_else_has_it(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        tries = []

        def busy(*given: object) -> None:
            tries.append(given)
            if len(tries) < 3:
                raise LedgerBusy("in use")

        upkeep._held(upkeep._ledger(None), busy)
        assert len(tries) == 3
        monkeypatch.setattr(upkeep, "WAIT_S", 0)
        tries.clear()
        with pytest.raises(LedgerBusy):
            upkeep._held(upkeep._ledger(None), busy)


class TestSize:
    """In words and in bytes."""

    def test_in_words(self, home: Home) -> None:
        shown = call("size").output
        kilobytes = round(home.database.stat().st_size / 1000)
        assert shown.startswith(f"{home.database}  ")
        assert f"{kilobytes} kB" in shown or f"{kilobytes / 1000:.1f} MB" in shown
        assert "  11 requests, 0 tries upstream, since 20" in shown
        assert f" wait in 1 file of {home.spool_dir}" in shown
        call("prune", "--older-than", "365d", "--yes")
        assert "  3 sums by day of requests that were pruned" in call("size").output

    def test_as_json(self, home: Home) -> None:
        said = json.loads(call("size", "--json").output)
        assert (said["requests"], said["spool_files"], said["database"]) == (11, 1, str(home.database))
        assert said["total_bytes"] == said["file_bytes"] + said["log_bytes"] + said["spool_bytes"] > 0


class TestVacuum:
    """Written anew."""

    def test_before_and_after(self, home: Home) -> None:
        there = total()
        shown = call("vacuum").output
        assert shown.startswith(f"{home.database}  ")
        assert "B → " in shown
        assert total() == there

    def test_what_there_is_to_gain(self, home: Home) -> None:
        inode = home.database.stat().st_ino
        assert "of it are free" in call("vacuum", "--dry-run").output
        assert home.database.stat().st_ino == inode
