from __future__ import annotations

from decimal import Decimal

import pytest

from ringlet_mitm.addons.usage.rows import RequestRow
from ringlet_mitm.addons.views.amounts import cost_lines, money, seconds, usage_lines

ROW = RequestRow(
    id="1", started_us=1, ended_us=2, profile="p", agent_format="openai-chat", asked_host="h", path="/p", rule="r",
    input_tokens=10, cache_write_1h_tokens=3, reasoning_tokens=2, usage_source="reported",
    cost_total=None, cost_input=Decimal("0.1"), cost_output=Decimal(0), requested_model="asked",
    cost_as_asked=Decimal("0.5"), cost_switch=Decimal("0.01"), switched_from="a/b",
)  # fmt: skip


def test_tokens_are_told_by_kind() -> None:
    assert [(line.name, line.text) for line in usage_lines(ROW)][1:] == [
        ("input", "10"),
        ("cache write 1h", "3"),
        ("reasoning", "2"),
        ("in all", "13 in, 2 out"),
    ]


def test_an_unknown_part_makes_the_sum_unknown_not_nothing() -> None:
    assert [(line.name, line.text) for line in cost_lines(ROW)] == [
        ("", "Cost: unknown"),
        ("input", "$0.1000"),
        ("cache reads", "unknown"),
        ("cache writes", "unknown"),
        ("as asked, asked", "$0.5000"),
        ("of it for switching", "$0.0100, from a/b"),
    ]


@pytest.mark.parametrize(
    ("amount", "said"),
    [(None, "unknown"), (Decimal(0), "$0.0000"), (Decimal("1.23456"), "$1.2346"), (Decimal("0.00001"), "$0.0000100")],
    ids=["unknown", "nothing", "usual", "tiny"],
)
def test_money(amount: Decimal | None, said: str) -> None:
    assert money(amount) == said


@pytest.mark.parametrize(("us", "said"), [(812_000, "812 ms"), (3_449_000, "3.4 s")])
def test_time(us: int, said: str) -> None:
    assert seconds(us) == said
