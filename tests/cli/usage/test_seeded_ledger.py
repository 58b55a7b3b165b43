"""10,000 requests, and what every report says of them in every format, against sums that are made here: integers of
nanodollars over the rows, with none of our code."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
from click.testing import CliRunner
from seeded import KINDS, Made, counted, seeded

from ringlet_mitm.addons.usage.groups import REPORTS
from ringlet_mitm.addons.usage.ledger import insert, transaction, writing
from ringlet_mitm.cli.usage.report import command
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.pricelist import PriceBook
from ringlet_mitm.rules.pricing import Usage, cost

BERLIN = "Europe/Berlin"
HAIKU = "claude-haiku-4-5"
# In the order of the columns of a report.
SUMS = (
    "requests",
    "input_tokens",
    "output_tokens",
    "known_cost_usd",
    "unpriced_requests",
    "estimated_requests",
    "failed_requests",
    "switches",
    "known_switch_cost_usd",
    "unpriced_switches",
)
MONEY = ("known_cost_usd", "known_switch_cost_usd")
Sums = tuple[int, ...]
Groups = dict[tuple[Any, ...], Sums]


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with all of them in its database."""
    found = tmp_path_factory.mktemp("seeded")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RINGLET_HOME", str(found))
        home = home_of({"RINGLET_HOME": str(found)})
        with writing(home.database) as connection, transaction(connection):
            insert(connection, [(made.row, ()) for made in seeded()])
        yield found


def usage(*words: str) -> str:
    done = CliRunner().invoke(command, words, catch_exceptions=False)
    return done.stdout


# By hand.


def local(made: Made, zone: str) -> datetime:
    return datetime.fromtimestamp(made.row.started_us // 1_000_000, UTC).astimezone(ZoneInfo(zone))


def week(moment: datetime) -> str:
    year, number, _ = moment.isocalendar()
    return f"{year}-W{number:02}"


def switch(made: Made) -> str:
    row = made.row
    return f"{row.switched_from} → {row.provider}/{row.routed_model}" if row.switched_from else ""


NAMES: Mapping[str, Callable[[Made, str], Any]] = {
    "rule": lambda made, zone: ("shadow of " if made.row.origin == "shadow" else "") + made.row.rule,
    "model": lambda made, zone: made.row.routed_model,
    "provider": lambda made, zone: made.row.provider,
    "agent": lambda made, zone: made.row.agent,
    "session": lambda made, zone: made.row.session,
    "profile": lambda made, zone: made.row.profile,
    "project": lambda made, zone: made.row.project,
    "hour": lambda made, zone: local(made, zone).strftime("%Y-%m-%d %H:00"),
    "day": lambda made, zone: str(local(made, zone).date()),
    "week": lambda made, zone: week(local(made, zone)),
    "month": lambda made, zone: local(made, zone).strftime("%Y-%m"),
    "status": lambda made, zone: made.row.status,
    "origin": lambda made, zone: made.row.origin,
    "arm": lambda made, zone: made.row.arm,
    "switch": lambda made, zone: switch(made),
}


def values(made: Made) -> Sums:
    switched = int(made.row.switched_from != "")
    return (
        1,
        made.tokens_in,
        made.tokens_out,
        made.nanodollars or 0,
        int(made.nanodollars is None),
        int(made.row.usage_source == "estimated"),
        int(made.row.status != 200 or made.row.error_class != ""),
        switched,
        made.switch_nanodollars or 0,
        int(switched and made.switch_nanodollars is None),
    )


def added(lists: Iterable[Sums]) -> Sums:
    return tuple(map(sum, zip(*lists, strict=True)))


def by_hand(by: tuple[str, ...], zone: str = "UTC", wanted: Callable[[Made], bool] = lambda made: True) -> Groups:
    groups: dict[tuple[Any, ...], list[Sums]] = defaultdict(list)
    for made in counted():
        if wanted(made) and not ("switch" in by and not made.row.switched_from):
            groups[tuple(NAMES[name](made, zone) for name in by)].append(values(made))
    return {group: added(lists) for group, lists in groups.items()}


# As reports say it.


def nanodollars(usd: Decimal) -> int:
    scaled = usd.scaleb(9)
    assert scaled == int(scaled), "a part of a nanodollar came from nowhere"
    return int(scaled)


def sums_of(record: Mapping[str, Any]) -> Sums:
    return tuple(nanodollars(Decimal(record[name])) if name in MONEY else int(record[name]) for name in SUMS)


def in_json(by: tuple[str, ...], *words: str) -> tuple[Groups, Sums]:
    found = json.loads(usage("--by", ",".join(by), "--json", *words), parse_float=Decimal)
    return {tuple(row[name] for name in by): sums_of(row) for row in found["rows"]}, sums_of(found["total"])


def in_csv(by: tuple[str, ...], *words: str) -> Groups:
    rows = csv.DictReader(io.StringIO(usage("--by", ",".join(by), "--csv", *words)))
    return {tuple(row[name] for name in by): sums_of(row) for row in rows}


def in_parquet(by: tuple[str, ...], file: Path, *words: str) -> Groups:
    assert usage("--by", ",".join(by), "--parquet", str(file), *words) == ""
    with duckdb.connect() as connection:
        relation = connection.read_parquet(str(file))
        rows = [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]
        types = dict(zip(relation.columns, map(str, relation.types), strict=True))
    assert {types[name] for name in (*MONEY, "cost_usd")} == {"DECIMAL(38,10)"}
    assert {types[name] for name in SUMS if name not in MONEY} == {"BIGINT"}
    return {tuple(_text(row[name]) for name in by): sums_of(row) for row in rows}


def _text(value: Any) -> Any:
    return value if value is None or isinstance(value, int) else str(value)


def shown(sums: Sums) -> tuple[str, str]:
    """Requests and cost as a person reads them."""
    requests, _, _, nano, unpriced, estimated, *_ = sums
    if unpriced and not nano:
        return str(requests), "?"
    places = 2 if nano == 0 or nano >= 10**7 else 4
    cents = Decimal(nano).scaleb(-9).quantize(Decimal(1).scaleb(-places))
    return str(requests), f"{'≥' if unpriced else ''}{'~' if estimated else ''}${cents:,}"


def name_of(group: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple("(none)" if part in (None, "") else str(part) for part in group)


def in_text(by: tuple[str, ...], *words: str) -> dict[tuple[str, ...], tuple[str, str]]:
    lines = usage("--by", ",".join(by), *words).splitlines()
    head = re.split(r"\s{2,}", lines[2])
    cells = [re.split(r"\s{2,}", line) for line in lines[3:] if "  " in line]
    places = head.index("REQUESTS"), head.index("COST")
    return {tuple(row[: len(by)]): (row[places[0]], row[places[1]]) for row in cells if row[0] != "TOTAL"}


def in_markdown(by: tuple[str, ...], *words: str) -> dict[tuple[str, ...], tuple[str, str]]:
    lines = [line for line in usage("--by", ",".join(by), "--markdown", *words).splitlines() if line.startswith("| ")]
    head, _, *rows = [[plain(cell) for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    places = head.index("REQUESTS"), head.index("COST")
    return {tuple(row[: len(by)]): (row[places[0]], row[places[1]]) for row in rows if row[0] != "TOTAL"}


def plain(cell: str) -> str:
    return re.sub(r"\\(.)", r"\1", cell.strip())


SINGLE = [(name,) for name in REPORTS]
SEVERAL = [("model", "day"), ("provider", "status", "agent"), ("rule", "arm"), ("profile", "project", "week")]


def test_no_report_is_forgotten() -> None:
    assert list(NAMES) == list(REPORTS)


@pytest.mark.parametrize("by", [*SINGLE, *SEVERAL], ids=",".join)
def test_every_report_in_every_format(by: tuple[str, ...], tmp_path: Path) -> None:
    expected = by_hand(by, BERLIN)
    found, total = in_json(by, "--tz", BERLIN)
    assert found == expected
    assert total == added(expected.values())
    as_text = {tuple("" if part is None else str(part) for part in group): sums for group, sums in expected.items()}
    assert in_csv(by, "--tz", BERLIN) == as_text
    assert in_parquet(by, tmp_path / "it's.parquet", "--tz", BERLIN) == expected
    for_people = {name_of(group): shown(sums) for group, sums in expected.items()}
    assert in_text(by, "--tz", BERLIN) == for_people
    assert in_markdown(by, "--tz", BERLIN) == for_people


@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles", "Asia/Kolkata", "Pacific/Apia"])
def test_hours_and_days_of_any_zone(zone: str) -> None:
    by = ("hour", "day", "week", "month")
    assert in_json(by, "--tz", zone)[0] == by_hand(by, zone)


def days(first: str, last: str, zone: str = "UTC") -> Callable[[Made], bool]:
    return lambda made: first <= str(local(made, zone).date()) <= last


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("--profile", "home"), lambda made: made.row.profile == "home"),
        (("--profile", "home", "--profile", "work"), lambda made: True),
        (("--model", "llama-*"), lambda made: made.row.routed_model.startswith("llama-")),
        (("--model", "*haiku*", "--model", "gpt-5"), lambda made: made.row.routed_model in (HAIKU, "gpt-5")),
        (("--provider", "custom"), lambda made: made.row.provider == "custom"),
        (("--provider", "[a-c]*"), lambda made: made.row.provider in ("anthropic", "custom")),
        (("--agent", "codex", "--provider", "groq"), lambda made: made.row.agent + made.row.provider == "codexgroq"),
        (("--rule", "tool-use"), lambda made: made.row.rule.startswith("tool-use →") and made.row.origin != "shadow"),
        (("--rule", "half | half → split"), lambda made: "half" in made.row.rule and made.row.origin != "shadow"),
        (("--rule", "shadow of *"), lambda made: made.row.origin == "shadow"),
        (("--session", "log0?"), lambda made: bool(re.fullmatch("log0.", made.row.session))),
        (("--project", "paper, draft"), lambda made: made.row.project == "paper, draft"),
        (("--origin", "import"), lambda made: made.row.origin.startswith("import:")),
        (("--origin", "import:codex"), lambda made: made.row.origin == "import:codex"),
        (("--origin", "proxy", "--origin", "shadow"), lambda made: made.row.origin in ("proxy", "shadow")),
        (("--since", "2026-10-25", "--until", "2026-10-25", "--tz", BERLIN), days("2026-10-25", "2026-10-25", BERLIN)),
        (("--since", "2026-11-01", "--tz", "UTC"), days("2026-11-01", "2026-12-31")),
        (("--until", "2026-10-01", "--tz", "UTC"), days("2026-01-01", "2026-10-01")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_filters(words: tuple[str, ...], wanted: Callable[[Made], bool]) -> None:
    expected = by_hand(("model",), wanted=wanted)
    assert expected, "a filter that nothing passes shows nothing"
    assert in_json(("model",), *words) == (expected, added(expected.values()))


@pytest.mark.parametrize(
    ("sort", "weight", "up"),
    [
        ("cost", lambda group, sums: sums[3], False),
        ("-cost", lambda group, sums: sums[3], True),
        ("requests", lambda group, sums: sums[0], False),
        ("tokens", lambda group, sums: sums[1] + sums[2], False),
        ("-tokens", lambda group, sums: sums[1] + sums[2], True),
        ("in", lambda group, sums: sums[1], False),
        ("out", lambda group, sums: sums[2], False),
        ("errors", lambda group, sums: sums[6], False),
        ("switches", lambda group, sums: sums[7], False),
        ("name", lambda group, sums: group, True),
        ("-name", lambda group, sums: group, False),
    ],
)
def test_sort(sort: str, weight: Callable[[tuple[Any, ...], Sums], Any], up: bool) -> None:
    found, total = in_json(("day",), "--sort", sort, "--tz", "UTC")
    weights = [weight(group, sums) for group, sums in found.items()]
    assert weights == sorted(weights, reverse=not up)
    assert found == by_hand(("day",))
    assert total == added(found.values())


@pytest.mark.parametrize("top", [1, 7, 50])
def test_top_keeps_the_dearest_and_adds_the_others_up(top: int) -> None:
    expected = sorted(by_hand(("session", "model")).values(), key=lambda sums: -sums[3])
    found, total = in_json(("session", "model"), "--top", str(top))
    *first, (name, others) = found.items()
    assert [sums[3] for _, sums in first] == [sums[3] for sums in expected[:top]]
    assert name == (f"others ({len(expected) - top})", "…")
    assert others[3] == sum(sums[3] for sums in expected[top:])
    assert total == added(expected) == added(found.values())


def test_top_without_others() -> None:
    assert in_json(("provider",), "--top", "99")[0] == by_hand(("provider",))


def test_the_prices_of_the_recipe_are_the_published_ones() -> None:
    """So that what is added up here is what a request would have been recorded with."""
    book = PriceBook()
    cards = {pair: book.card(*pair) for pair in {(made.row.provider, made.row.routed_model) for made in seeded()}}
    for made in seeded():
        usage = Usage(**{KINDS[kind]: count for kind, count in made.tokens.items()})
        if made.tokens:
            total = cost(usage, cards[made.row.provider, made.row.routed_model]).total
            assert (None if total is None else nanodollars(total)) == made.nanodollars
    assert cards["custom", "house-model"] is None


def test_the_requests_are_always_the_same() -> None:
    """To the nanodollar; whoever changes the recipe or the maker says so here."""
    total = added(values(made) for made in counted())
    assert (len(seeded()), *total) == TOTAL


TOTAL = (10_000, 9_798, 48_910_975, 7_799_127, 112_456_000_965, 361, 414, 213, 499, 274_387_970, 16)
