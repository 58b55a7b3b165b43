from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.cli.amounts import UNITS, compact, percent, span, usd


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1_000, "1.0K"),
        (9_949, "9.9K"),
        (9_950, "10K"),
        (45_000, "45K"),
        (280_000, "280K"),
        (980_000, "980K"),
        (999_499, "999K"),
        (999_600, "1.0M"),
        (1_100_000, "1.1M"),
        (1_200_000, "1.2M"),
        (12_345_678, "12M"),
        (999_960_000, "1.0B"),
        (4_200_000_000, "4.2B"),
        (1_000_000_000_000, "1.0T"),
        (5_000_000_000_000_000, "5000T"),
    ],
)
def test_compact(count: int, text: str) -> None:
    assert compact(count) == text


def meant(text: str) -> float:
    """The number that a compact text stands for."""
    sizes = {"": 1} | {unit: size for size, unit in UNITS}
    unit = text.lstrip("0123456789.")
    return float(text.removesuffix(unit)) * sizes[unit]


@given(st.integers(0, 10**15))
def test_compact_is_short_and_near(count: int) -> None:
    assert len(compact(count)) <= 5
    assert meant(compact(count)) == pytest.approx(count, rel=0.051)


@given(st.integers(0, 10**14), st.integers(0, 10**14))
def test_compact_keeps_the_order(one: int, other: int) -> None:
    less, more = sorted((one, other))
    assert meant(compact(less)) <= meant(compact(more))


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "$0.00"),
        ("0.00000001", "<$0.0001"),
        ("0.0001", "$0.0001"),
        ("0.0042", "$0.0042"),
        ("0.01", "$0.01"),
        ("0.18", "$0.18"),
        ("7.8149", "$7.81"),
        ("12345.678", "$12,345.68"),
    ],
)
def test_usd(amount: str, text: str) -> None:
    assert usd(Decimal(amount)) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0%"), (0.0001, "<1%"), (0.01, "1%"), (0.195, "20%"), (0.99, "99%"), (0.9999, ">99%"), (1.0, "100%")],
)
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (0, "0 s"),
        (0.2, "1 s"),
        (45, "45 s"),
        (59.1, "1 min"),
        (61, "1 min 1 s"),
        (720, "12 min"),
        (3_600, "1 h"),
        (8_040, "2 h 14 min"),
        (8_099, "2 h 14 min"),
        (86_400, "1 d"),
        (100_000, "1 d 3 h"),
    ],
)
def test_span(seconds: float, text: str) -> None:
    assert span(seconds) == text
