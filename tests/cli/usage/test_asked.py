"""The options that reports share, as an ask."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from ledgers import NOON, request, us

from ringlet_mitm.addons.usage.reports import FILTERS, Ask, condition
from ringlet_mitm.addons.usage.spool import Spool
from ringlet_mitm.cli.usage.asked import MEANT, Asked, asked_of, asking
from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.home import Home, home_of


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("RINGLET_HOME", str(tmp_path))
    return home_of(os.environ)


@click.command()
@asking
@click.option("--own")
def command(asked: Asked, own: str | None) -> None:
    """A report."""
    click.echo((asked.ask, asked.whose, own))


def ask(*words: str) -> str:
    return CliRunner().invoke(command, words, catch_exceptions=False).stdout.rstrip("\n")


@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_is_an_option(home: Home, name: str) -> None:
    expected = Ask(**{name: ("one", "o*")})
    assert ask(f"--{name}", "one", f"--{name}", " o* ", f"--{name}", "one", "--own", "x") == str(
        (expected, f"{name} 'one' or 'o*'", "x")
    )


def test_an_empty_name_is_no_filter(home: Home) -> None:
    assert ask("--model", "", "--since", "2026-11-20T12:00Z") == str((Ask(since_us=NOON), "", None))


def test_every_filter_has_its_help() -> None:
    assert list(MEANT) == list(FILTERS)
    assert all(text in " ".join(ask("--help").split()) for text in MEANT.values())


@pytest.mark.parametrize(
    ("zone", "since"),
    [("Europe/Berlin", "2026-11-19T23:00Z"), ("Asia/Kolkata", "2026-11-19T18:30Z"), ("UTC", "2026-11-20T00:00Z")],
)
def test_days_are_those_of_tz(home: Home, zone: str, since: str) -> None:
    found = asked_of(home, since="2026-11-20", tz=zone)
    assert (found.ask.since_us, found.ask.tz, str(found.now.tzinfo)) == (us(since), zone, zone)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tz": "Europe/Berlim"}, "--tz: no time zone 'Europe/Berlim' is known here; write it like"),
        ({"tz": "../etc"}, "--tz: no time zone '../etc' is known here"),
        ({"tz": "Europe"}, "--tz: no time zone 'Europe' is known here"),
        ({"period": "today", "since": "2h"}, "--period says it all"),
        ({"database": Path("nowhere.duckdb")}, "--db: there is no file nowhere.duckdb"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_refused(home: Home, given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        asked_of(home, **given)
    assert str(refused.value).startswith(said)


def test_the_ledger_is_read_in_the_zone(home: Home) -> None:
    spool = Spool(home.spool_dir, "work")
    spool.append(request(started_us=us("2026-11-20T18:30Z")), ())
    spool.seal()
    with asked_of(home, tz="Asia/Kolkata").reading() as connection:
        (found,) = connection.execute("SELECT strftime(hour, '%d %H:%M'), strftime(day, '%d') FROM spend").fetchall()
    assert found == ("21 00:00", "21")


@pytest.mark.parametrize(
    ("name", "wanted", "value", "fits"),
    [
        ("model", "claude-*", "claude-sonnet-4-5", True),
        ("model", "claude-*", "Claude-sonnet-4-5", False),
        ("model", "claude", "claude-sonnet-4-5", False),
        ("model", "claude-[hs]*", "claude-haiku-4-5", True),
        ("model", "%", "anything", False),
        ("rule", "tool-use", "tool-use → anthropic", True),
        ("rule", "tool-use", "tool-use-2 → anthropic", False),
        ("rule", "* → groq", "tool-use → groq", True),
        ("origin", "import", "import:claude", True),
        ("origin", "import:claude", "import:claude", True),
        ("origin", "imp", "import:claude", False),
        ("project", "it's", "it's", True),
    ],
)
def test_what_fits_a_name(home: Home, name: str, wanted: str, value: str, fits: bool) -> None:
    spool = Spool(home.spool_dir, "work")
    column = "routed_model" if name == "model" else name
    spool.append(request(**{column: value}), ())
    spool.seal()
    with asked_of(home, **{name: (wanted,)}).reading() as connection:
        where, values = condition(Ask(**{name: (wanted,)}))
        assert connection.execute(f"SELECT count(*) FROM spend {where}", values).fetchall() == [(int(fits),)]
