"""A person's own questions: one, by a pipe, or at a prompt; and nothing but questions."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result
from ledgers import request

from ringlet_mitm.addons.usage import documented
from ringlet_mitm.addons.usage.ledger import insert, reading, transaction, writing
from ringlet_mitm.addons.usage.spool import Spool
from ringlet_mitm.cli.main import group
from ringlet_mitm.cli.usage.asked import Ledger
from ringlet_mitm.cli.usage.printing import Printing
from ringlet_mitm.cli.usage.sql import Asking
from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.home import Home, home_of

COUNT = "SELECT rule, sum(requests) AS n FROM spend GROUP BY rule ORDER BY rule"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("RINGLET_HOME", str(tmp_path))
    home = home_of({"RINGLET_HOME": str(tmp_path)})
    with writing(home.database) as connection, transaction(connection):
        insert(connection, [(request(rule="a"), ()), (request(rule="b"), ())])
    spool = Spool(home.spool_dir, "work")
    spool.append(request(rule="b"), ())
    spool.seal()
    return home


def call(*words: str, said: str | None = None) -> Result:
    return CliRunner().invoke(group, ["usage", "sql", *words], input=said, catch_exceptions=False)


class TestOne:
    """On the command line, or from a pipe."""

    def test_the_spool_counts_too(self, home: Home) -> None:
        assert call(COUNT).output == "rule  n\na     1\nb     2\n"

    def test_words_without_quotes(self, home: Home) -> None:
        assert call("SELECT", "42", "AS", "x").output == " x\n42\n"

    def test_from_a_pipe(self, home: Home) -> None:
        assert call(said=f"{COUNT};\n").output == "rule  n\na     1\nb     2\n"

    def test_as_json(self, home: Home) -> None:
        assert json.loads(call("--json", COUNT).output) == [{"rule": "a", "n": 1}, {"rule": "b", "n": 2}]

    def test_another_database(self, home: Home, tmp_path: Path) -> None:
        other = tmp_path / "other.duckdb"
        with writing(other):
            pass
        assert call("--db", str(other), "SELECT count(*) AS n FROM requests").output == "n\n0\n"

    def test_nothing(self, home: Home) -> None:
        with pytest.raises(UsageError, match="nothing to ask"):
            call(said="\n")

    @pytest.mark.parametrize(
        "sql",
        [
            "DELETE FROM requests",
            "COPY requests TO '{folder}/out.csv'",
            "ATTACH '{folder}/new.duckdb'",
            "SELECT 1; DROP TABLE requests",
            "SET threads = 1",
            "SELECT * FROM read_csv('{folder}/secret.csv')",
        ],
    )
    def test_only_a_select(self, home: Home, tmp_path: Path, sql: str) -> None:
        (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
        there = sorted(path.name for path in tmp_path.rglob("*"))
        with pytest.raises(UsageError):
            call(sql.format(folder=tmp_path))
        assert sorted(path.name for path in tmp_path.rglob("*")) == there
        assert call(COUNT).output == "rule  n\na     1\nb     2\n"


class TestWhatThereIs:
    """Paths, tables and views in words."""

    def test_the_path_and_how_to_open_it(self, home: Home) -> None:
        path, command, spool = call("--path").output.splitlines()
        assert path == str(home.database)
        assert command == f"duckdb -readonly {home.database}"
        assert str(home.spool_dir) in spool

    def test_every_view_is_there_with_its_columns(self, home: Home) -> None:
        shown = call("--views").output
        with reading(home.database, home.spool_dir) as connection:
            found = connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
            made = {name for (name,) in found}
        described = {view.name for view in documented.views()}
        assert described == made - set(documented.TABLES) - {"pruned", "pruned_sessions"}
        assert [view.name for view in documented.views() if not view.summary or f"{view.name}\n  " not in shown] == []

    def test_every_column_of_a_table(self, home: Home) -> None:
        for table in documented.tables():
            assert table.summary
            with duckdb.connect(str(home.database), read_only=True) as connection:
                names = [row[1] for row in connection.execute(f"PRAGMA table_info('{table.name}')").fetchall()]
            assert [column.name for column in table.columns] == names


class Prompt:
    """Gives one line after the other; an exception among them is raised."""

    def __init__(self, *lines: str | BaseException) -> None:
        self.lines = list(lines)
        self.asked: list[str] = []

    def __call__(self, prompt: str) -> str:
        self.asked.append(prompt)
        line = self.lines.pop(0) if self.lines else EOFError()
        if isinstance(line, BaseException):
            raise line
        return line


@pytest.fixture
def talk(home: Home, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., tuple[str, str]]]:
    def run(*lines: str | BaseException) -> tuple[str, str]:
        Asking(Ledger.at(home, None), Printing()).run(Prompt(*lines))
        out, err = capsys.readouterr()
        return out.partition("\n")[2], err

    yield run


class TestPrompt:
    """What is typed, line by line."""

    @pytest.mark.parametrize(
        "lines",
        [(f"{COUNT};",), ("SELECT rule, sum(requests) AS n FROM spend", "GROUP BY rule ORDER BY rule;"), (COUNT, "")],
        ids=["with a semicolon", "two lines", "an empty line ends it"],
    )
    def test_a_select(self, talk: Callable[..., tuple[str, str]], lines: tuple[str, ...]) -> None:
        assert talk(*lines) == ("rule  n\na     1\nb     2\n\n", "")

    def test_an_error_is_said_and_it_goes_on(self, talk: Callable[..., tuple[str, str]]) -> None:
        out, err = talk("SELECT nothing;", "DROP TABLE requests;", "SELECT 1 AS x;")
        assert out == "x\n1\n\n"
        assert "nothing" in err
        assert "takes one SELECT" in err

    def test_ctrl_c_forgets_the_line(self, talk: Callable[..., tuple[str, str]]) -> None:
        assert talk("SELECT", KeyboardInterrupt(), "SELECT 1 AS x;") == ("\nx\n1\n\n", "")

    @pytest.mark.parametrize("word", [".quit", ".exit"])
    def test_it_ends(self, talk: Callable[..., tuple[str, str]], word: str) -> None:
        assert talk("", word, "SELECT 1;") == ("", "")

    def test_tables_and_views(self, talk: Callable[..., tuple[str, str]]) -> None:
        out, err = talk(".tables", ".tables attempts", ".views", ".views spend", ".path", ".help")
        for words in ("requests", "key_label", "one row a request", "known_cost", "duckdb -readonly", ".quit"):
            assert words in out
        assert err == ""

    @pytest.mark.parametrize("word", [".nothing", ".tables nothing", ".views nothing"])
    def test_what_is_not_there(self, talk: Callable[..., tuple[str, str]], word: str) -> None:
        assert "there are" in talk(word)[1]


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminal")
def test_in_a_terminal(home: Home) -> None:
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "ringlet_mitm.cli.main", "usage", "sql"]
    environ = {**os.environ, "TERM": "dumb"}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ)
    os.close(theirs)
    found, end = "", time.monotonic() + 30
    os.write(ours, b"SELECT count(*) AS requests_in_all FROM requests;\n.quit\n")
    while time.monotonic() < end:
        if select.select([ours], [], [], 1)[0]:
            try:
                found += os.read(ours, 65536).decode()
            except OSError:
                break
    assert process.wait(30) == 0
    os.close(ours)
    assert "              3" in found
    assert "SELECT count(*)" in (home.state / "sql_history").read_text()
    assert (home.state / "sql_history").stat().st_mode & 0o777 == 0o600
