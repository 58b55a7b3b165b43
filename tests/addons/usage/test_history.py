"""Rows as a backtest reads them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from ledgers import NOON, connected, request

from ringlet_mitm.addons.usage.history import LEAD_US, history
from ringlet_mitm.addons.usage.ledger import insert
from ringlet_mitm.addons.usage.reports import Ask
from ringlet_mitm.addons.usage.rows import AttemptRow, RequestRow
from ringlet_mitm.rules.limits import Action, Limit, LimitKind, Limits, judged
from ringlet_mitm.rules.pricing import TOKEN_KINDS
from ringlet_mitm.rules.recorded import Recorded
from ringlet_mitm.rules.routes import Route

HOSTS = {"api.anthropic.com": "anthropic"}


def read(*rows: RequestRow, ask: Ask | None = None, attempts: tuple[AttemptRow, ...] = ()) -> list[Recorded]:
    connection = connected([row for row in rows if not attempts])
    insert(connection, [(row, attempts) for row in rows if attempts])
    return list(history(connection, ask or Ask(), lambda host: HOSTS.get(host, "")))


def only(**given: Any) -> Recorded:
    (found,) = read(request(**given))
    return found


def test_what_is_recorded_of_a_request() -> None:
    kinds = {kind: place for place, kind in enumerate(TOKEN_KINDS, 1)}
    row = request(
        session="s", messages=3, tools=2, tool_result=True, has_system=True, thinking=True, stream=True, images=1,
        max_output_tokens=9, asked_provider="openai", counted_tokens=70, calibration=1.2, decision_ratio=1.1,
        tokens_low=5, tokens_high=90, cost_total=Decimal("0.5"), arm="groq", request_bytes=1234, **kinds,
    )  # fmt: skip
    (found,) = read(row)
    same = ("id", "started_us", "ended_us", "agent", "session", "path", "stream", "messages", "tools", "tool_result")
    same = (*same, "has_system", "thinking", "images", "max_output_tokens", "tokens_low", "tokens_high", "rule", "arm")
    for name in (*same, "provider", *TOKEN_KINDS):
        assert getattr(found, name) == getattr(row, name), name
    assert (found.asked, found.requested, found.model) == ("openai", row.requested_model, row.routed_model)
    assert (found.counted, found.ratio, found.target_ratio, found.body_bytes) == (70, 1.1, 1.2, 1234)
    assert (found.cost, found.source, found.failed, found.within) == (Decimal("0.5"), "reported", False, True)
    assert (found.first_provider, found.first_model) == (None, None)


def test_the_provider_asked_is_found_by_its_host_in_rows_that_do_not_say_it() -> None:
    assert only(asked_provider="").asked == "anthropic"
    assert only(asked_provider="", asked_host="llm.example").asked == ""


def test_what_was_not_recorded_then() -> None:
    found = only()
    assert (found.ratio, found.tokens_low, found.tokens_high, found.counted) == (None, None, None, None)


def test_a_cost_that_is_not_known_and_one_of_nothing() -> None:
    assert only(cost_total=None).cost is None
    failed = only(cost_total=None, usage_source="none", status=502, error_class="unreachable")
    assert (failed.cost, failed.failed) == (0, True)


def test_notes() -> None:
    assert not only(note="not read: body is not JSON").readable
    assert only(note="kept by a sticky rule").kept
    plain = only(note="left out: provider 'x'")
    assert (plain.readable, plain.kept, plain.limited) == (True, False, False)


@pytest.mark.parametrize(("switch", "limited"), [(2, True), (9, False)])
def test_a_limit_is_told_by_its_own_words(switch: int, limited: bool) -> None:
    class Spending:
        def used(self, _limit: Limit) -> int:
            return 5

        def leaving(self, _limit: Limit) -> list[tuple[float, int]]:
            return []

    limit = Limit(LimitKind.REQUESTS_PER_MINUTE, refuse=99, switch=switch, to=Route("groq"))
    said = judged(Limits((limit,)), "work", "anthropic", Spending())
    assert (said.action is Action.SWITCH) is limited
    assert only(note=said.said).limited is limited


def test_who_was_asked_first() -> None:
    row = request(attempts=2, provider="groq", routed_model="fast")
    tries = [
        AttemptRow(request_id=row.id, number=number, provider=provider, model=model, started_us=NOON)
        for number, provider, model in ((1, "openai", "gpt"), (2, "groq", "fast"))
    ]
    (found,) = read(row, attempts=tuple(tries))
    assert (found.first_provider, found.first_model) == ("openai", "gpt")


def test_who_belongs_to_it_and_in_what_order() -> None:
    rows = [
        request(id="b", started_us=NOON + 2),
        request(id="a", started_us=NOON + 2),
        request(id="first", started_us=NOON + 1),
        request(id="shadow", origin="shadow", shadow_of="a"),
        request(id="import", origin="import:claude", rule=""),
        request(id="refused", rule=""),
        request(id="other", profile="home"),
    ]
    assert [found.id for found in read(*rows, ask=Ask(profile=("work",)))] == ["first", "a", "b"]


def test_the_day_before_leads_up_to_it() -> None:
    times = {"old": NOON - LEAD_US - 1, "lead": NOON - LEAD_US, "before": NOON - 1, "first": NOON, "late": NOON + 5}
    rows = [request(id=name, started_us=us) for name, us in times.items()]
    found = read(*rows, ask=Ask(since_us=NOON, until_us=NOON + 5))
    assert [(one.id, one.within) for one in found] == [("lead", False), ("before", False), ("first", True)]


def test_a_number_that_no_column_can_hold() -> None:
    found = only(messages=2**40, input_tokens=2**70)
    assert (found.messages, found.input_tokens) == (0, 0)


def test_more_than_one_portion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ringlet_mitm.addons.usage.history.CHUNK", 2)
    rows = [replace(request(), started_us=NOON + place) for place in range(5)]
    assert [one.started_us - NOON for one in read(*rows)] == [0, 1, 2, 3, 4]
