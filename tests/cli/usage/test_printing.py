"""The options that say how a report is printed."""

from __future__ import annotations

import json
from pathlib import Path

import click
import duckdb
import pytest
from click.testing import CliRunner, Result

from ringlet_mitm.addons.usage.reports import Shown, Table, Unit
from ringlet_mitm.cli.usage.printing import WAYS, Printing, printing
from ringlet_mitm.rules.errors import UsageError

TABLE = Table(
    ("model", "requests"),
    (Shown("MODEL", Unit.NAME, ("model",)), Shown("REQUESTS", Unit.COUNT, ("requests",))),
    (("gpt_5|*", 2), ("", 1)),
    ("", 3),
)


@click.command()
@printing
@click.option("--empty", is_flag=True)
def command(to: Printing, empty: bool) -> None:
    """A report."""
    to.table(TABLE, "usage of *all*", ["~ one", "two"], {"rows": 2}, nothing="there is nothing" if empty else "")


def call(*words: str) -> Result:
    return CliRunner().invoke(command, words, catch_exceptions=False)


TEXT = """\
usage of *all*

MODEL    REQUESTS
gpt_5|*         2
(none)          1
─────────────────
TOTAL           3

~ one
two
"""
# The last line but one ends in two spaces: Markdown breaks the line there.
MARKDOWN = """\
usage of \\*all\\*

| MODEL | REQUESTS |
| --- | ---: |
| gpt\\_5\\|\\* | 2 |
| (none) | 1 |
| TOTAL | 3 |

\\~ one\N{SPACE}\N{SPACE}
two
"""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], TEXT),
        (["--markdown"], MARKDOWN),
        (["--csv"], "model,requests\ngpt_5|*,2\n,1\n"),
        (["--json"], '{\n  "rows": 2\n}\n'),
        (["--empty"], "there is nothing\n"),
        (["--empty", "--markdown"], "there is nothing\n"),
        (["--empty", "--csv"], "model,requests\ngpt_5|*,2\n,1\n"),
        (["--empty", "--json"], '{\n  "rows": 2\n}\n'),
    ],
    ids=" ".join,
)
def test_each_way(words: list[str], expected: str) -> None:
    assert call(*words).stdout == expected


def test_parquet_is_written_and_said_on_stderr(tmp_path: Path) -> None:
    done = call("--parquet", str(tmp_path / "t.parquet"))
    assert (done.stdout, done.stderr) == ("", f"wrote 2 rows to {tmp_path}/t.parquet\n")
    with duckdb.connect() as connection:
        assert connection.read_parquet(str(tmp_path / "t.parquet")).fetchall() == [("gpt_5|*", 2), ("", 1)]


def test_rows_alone_where_there_is_no_document(capsys: pytest.CaptureFixture[str]) -> None:
    Printing("json").table(TABLE)
    assert json.loads(capsys.readouterr().out) == [{"model": "gpt_5|*", "requests": 2}, {"model": "", "requests": 1}]


def test_one_way_at_a_time(tmp_path: Path) -> None:
    for place, first in enumerate(WAYS):
        for second in WAYS[place + 1 :]:
            words = [f"--{first}", f"--{second}", *([str(tmp_path / "t")] if second == "parquet" else [])]
            with pytest.raises(UsageError, match=f"^--{first} and --{second} are two ways to print; choose one$"):
                call(*words)
    assert list(tmp_path.iterdir()) == []
