from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from ledgers import reference

from ringlet_mitm.addons.usage.ledger import insert, transaction, writing
from ringlet_mitm.cli.usage.commands import command
from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.home import home_of

DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)


def run(home: Path, *words: str) -> Result:
    return CliRunner().invoke(command, ["report", *words], env={"RINGLET_HOME": str(home)}, catch_exceptions=False)


def document(file: Path) -> dict[str, Any]:
    found = DATA.search(file.read_text(encoding="utf-8"))
    assert found is not None
    read = json.loads(found[1])
    assert isinstance(read, dict)
    return read


def test_the_numbers_of_the_report_are_in_it(tmp_path: Path) -> None:
    with writing(home_of({"RINGLET_HOME": str(tmp_path)}).database) as connection, transaction(connection):
        insert(connection, [(row, ()) for row in reference()])
    file = tmp_path / "usage.html"
    said = run(tmp_path, "--provider", "groq", "--html", str(file))
    assert f"wrote {file}" in said.output and "no keys" in said.output
    found = document(file)
    assert (found["total"]["requests"], found["total"]["cost_usd"]) == (1284, 0.18)
    assert found["words"] == "all time, provider 'groq'"


def test_nothing_recorded_yet(tmp_path: Path) -> None:
    run(tmp_path, "--html", str(tmp_path / "usage.html"))
    assert document(tmp_path / "usage.html")["total"]["requests"] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--by", "model"], "only filters and times"),
        (["--json"], "only filters and times"),
        (["--top", "3"], "only filters and times"),
        (["--sql", "SELECT 1"], "--sql says itself"),
    ],
)
def test_what_does_not_go_with_it(words: list[str], said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        run(tmp_path, "--html", str(tmp_path / "usage.html"), *words)


def test_where_it_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        run(tmp_path, "--html", str(tmp_path / "nowhere" / "usage.html"))
