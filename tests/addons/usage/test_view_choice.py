"""Each view with no more than what it is made of."""

from __future__ import annotations

from pathlib import Path

import pytest
from ledgers import VIEWS, request

from ringlet_mitm.addons.usage.ledger import reading
from ringlet_mitm.addons.usage.spool import Spool
from ringlet_mitm.addons.usage.view_choice import chosen

TEXTS = {
    "05_base": "-- base: one row a request. FROM top\nCREATE VIEW base AS SELECT * FROM requests",
    "10_left": "CREATE VIEW left AS WITH a AS (SELECT * FROM base) SELECT * FROM a",
    "20_right": "CREATE VIEW right AS SELECT * FROM attempts\nLEFT JOIN\n    base ON true",
    "30_top": "CREATE VIEW top AS SELECT 'FROM nothing' FROM right",
}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (None, ["05_base", "10_left", "20_right", "30_top"]),
        ((), []),
        (("base",), ["05_base"]),
        (("left",), ["05_base", "10_left"]),
        (("top",), ["05_base", "20_right", "30_top"]),
        (("top", "left"), ["05_base", "10_left", "20_right", "30_top"]),
        (("requests",), []),
    ],
)
def test_what_is_chosen(names: tuple[str, ...] | None, expected: list[str]) -> None:
    assert chosen(TEXTS, names) == [TEXTS[name] for name in expected]


@pytest.mark.parametrize("name", [path.stem.partition("_")[2] for path in sorted(VIEWS.glob("*.sql"))])
def test_every_view_can_be_read_by_itself(tmp_path: Path, name: str) -> None:
    spool = Spool(tmp_path / "spool", "work")
    spool.append(request(), ())
    spool.seal()
    with reading(tmp_path / "none.duckdb", tmp_path / "spool", views=(name,)) as connection:
        assert connection.execute(f"SELECT count(*) FROM {name}").fetchall()
