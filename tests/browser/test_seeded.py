"""The seeded ledger of 10,000 requests on the page: every sum as the hand adds it up, to the cent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from browser.conftest import OpenPage, serving
from browser.test_page import cells, choose, total
from seeded import Made, counted, seeded

from ringlet_mitm.addons.usage.ledger import insert, transaction, writing
from ringlet_mitm.rules.home import home_of

NAMES: dict[str, Callable[[Made], str]] = {
    "model": lambda made: made.row.routed_model,
    "provider": lambda made: made.row.provider,
    "agent": lambda made: made.row.agent or "(none)",
    "project": lambda made: made.row.project or "(none)",
}


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = home_of({"RINGLET_HOME": str(tmp_path_factory.mktemp("seeded"))})
    with writing(home.database) as connection, transaction(connection):
        insert(connection, [(made.row, ()) for made in seeded()])
    with serving(home.database, home.spool_dir) as url:
        yield url


def dollars(all_made: Iterable[Made]) -> str:
    """The sum of integers, and the marks of what is not known and of what is estimated."""
    some = list(all_made)
    known = sum(made.nanodollars or 0 for made in some)
    if not known and any(made.nanodollars is None for made in some):
        return "?"
    cents = (Decimal(known) / 10**9).quantize(Decimal("0.01"), ROUND_HALF_EVEN)
    least = "≥" if any(made.nanodollars is None for made in some) else ""
    about = "~" if any(made.row.usage_source == "estimated" for made in some) else ""
    return f"{least}{about}${cents:,}"


def test_totals_and_tables(large: str, open_page: OpenPage) -> None:
    page = open_page(large)
    assert total(page, "cost") == dollars(counted())
    assert total(page, "requests") == f"{len(counted()):,}"
    for tab, name_of in NAMES.items():
        page.click(f"#tab-{tab}")
        groups: dict[str, list[Made]] = defaultdict(list)
        for made in counted():
            groups[name_of(made)].append(made)
        head, *rows = cells(page, "#panel")
        cost, requests = head.index("cost"), head.index("requests")
        assert {row[0]: (row[requests], row[cost]) for row in rows[:-1]} == {
            name: (f"{len(group):,}", dollars(group)) for name, group in groups.items()
        }


def test_with_filters(large: str, open_page: OpenPage) -> None:
    page = open_page(f"{large}?profile=work&agent=codex&since=2026-10-20&until=2026-10-31&tz=UTC")
    first, after = (round(datetime(2026, *day, tzinfo=UTC).timestamp()) * 10**6 for day in ((10, 20), (11, 1)))
    wanted = [
        made
        for made in counted()
        if (made.row.profile, made.row.agent) == ("work", "codex") and first <= made.row.started_us < after
    ]
    assert (total(page, "cost"), total(page, "requests")) == (dollars(wanted), f"{len(wanted):,}")
    page.locator("main summary").click()
    assert len(cells(page, "#values")) == 1 + 12
    choose(page, "agent", "codex")
    assert int(total(page, "requests").replace(",", "")) > len(wanted)
