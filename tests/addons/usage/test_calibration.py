"""What a vendor reports teaches what its tokens are to ours."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from ledgers import request

from ringlet_mitm.addons.usage.calibration import learn, learned
from ringlet_mitm.addons.usage.ledger import Connection, insert, transaction, writing
from ringlet_mitm.addons.usage.rows import RequestRow, new_id
from ringlet_mitm.rules.tokens import RECENT

PAIR = ("anthropic", "claude-sonnet-4-5")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    with writing(tmp_path / "usage.duckdb") as opened:
        yield opened


def teach(connection: Connection, rows: Iterable[RequestRow]) -> None:
    with transaction(connection):
        learn(connection, insert(connection, [(row, ()) for row in rows]))


def reported(counted: int | None, total: int, **given: object) -> RequestRow:
    """A request whose input is spread over the kinds that a vendor bills apart."""
    kinds = {"input_tokens": total // 10, "cache_write_5m_tokens": total // 5, "cache_write_1h_tokens": 0}
    kinds["cache_read_tokens"] = total - sum(kinds.values())
    return request(id=new_id(), counted_tokens=counted, **{**kinds, **given})


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.18, 1.35, 2.0])
def test_after_20_requests_95_of_100_estimates_are_within_10_percent(connection: Connection, factor: float) -> None:
    chance = random.Random(7)

    def rows(number: int) -> list[RequestRow]:
        counts = [chance.randint(500, 150_000) for _ in range(number)]
        return [reported(count, round(count * factor * chance.gauss(1, 0.04))) for count in counts]

    teach(connection, rows(20))
    ratio = learned(connection).ratio(*PAIR)
    off = [abs((row.counted_tokens or 0) * ratio / row.usage.total_input - 1) for row in rows(1000)]
    assert sum(one <= 0.1 for one in off) >= 950


@pytest.mark.parametrize("batch", [1, 3, 20])
def test_batches_make_no_difference(connection: Connection, batch: int) -> None:
    """What is stored between them is all that the estimate is made of."""
    rows = [reported(1000, 1000 + 7 * number) for number in range(20)]
    for start in range(0, len(rows), batch):
        teach(connection, rows[start : start + batch])
    ((ratio, samples, recent),) = connection.execute("SELECT ratio, samples, recent FROM calibration").fetchall()
    last = [row.usage.total_input / 1000 for row in rows[-RECENT:]]
    assert (samples, recent, ratio) == (20, last, sorted(last)[RECENT // 2])


def test_providers_and_models_are_apart(connection: Connection) -> None:
    teach(
        connection,
        [
            reported(1000, 1100),
            reported(1000, 1200, routed_model="claude-haiku-4-5"),
            reported(1000, 1300, provider="openrouter"),
        ],
    )
    found = learned(connection)
    assert found.ratio(*PAIR) == pytest.approx(1.1)
    assert found.ratio("anthropic", "claude-haiku-4-5") == pytest.approx(1.2)
    assert found.ratio("openrouter", "claude-sonnet-4-5") == pytest.approx(1.3)
    assert found.ratio("groq", "unheard-of") == 1.0


def test_a_model_never_reported_on_takes_the_middle_of_its_vendor(connection: Connection) -> None:
    teach(
        connection,
        [
            reported(1000, 1100),
            reported(1000, 1200, routed_model="claude-haiku-4-5"),
            reported(1000, 1900, routed_model="claude-opus-4-1"),
        ],
    )
    assert learned(connection).ratio("anthropic", "unheard-of") == pytest.approx(1.2)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(reported(1000, 3000, usage_source="estimated"), id="estimated by ourselves"),
        pytest.param(reported(1000, 3000, usage_source="none"), id="not reported"),
        pytest.param(reported(None, 3000), id="not counted"),
        pytest.param(reported(10, 3000), id="too short"),
        pytest.param(reported(1000, 0), id="nothing reported"),
    ],
)
def test_what_teaches_nothing(connection: Connection, row: RequestRow) -> None:
    teach(connection, [row])
    assert learned(connection).ratios == {}


def test_a_replay_teaches_nothing(connection: Connection) -> None:
    rows = [reported(1000, 1500)]
    teach(connection, rows)
    teach(connection, [*rows, reported(1000, 1700)])
    assert connection.execute("SELECT samples, ratio FROM calibration").fetchall() == [(2, pytest.approx(1.6))]


def test_what_it_learns_from_is_taken_in_the_order_of_time(connection: Connection) -> None:
    rows = [reported(1000, 1000 + number) for number in range(30)]
    teach(connection, reversed(rows))
    ((recent,),) = connection.execute("SELECT recent FROM calibration").fetchall()
    assert recent == [row.usage.total_input / 1000 for row in rows[-RECENT:]]
