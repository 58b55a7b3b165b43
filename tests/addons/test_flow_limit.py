from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from mitmproxy.addons.view import View
from mitmproxy.http import HTTPFlow
from mitmproxy.test import taddons, tflow

from ringlet_mitm.addons.flow_limit import FlowLimit
from ringlet_mitm.addons.looked_at import LookedAt


@pytest.fixture
def stage() -> Iterator[SimpleNamespace]:
    """A list of flows as mitmweb's master has it, and the limit that watches it."""
    looked = LookedAt()
    view, limit = View(), FlowLimit(looked, {":x:"})
    with taddons.context(view, limit) as context:
        context.master.view = view  # type: ignore[attr-defined]
        context.configure(limit, ringlet_flows=5, ringlet_flows_mb=100)
        limit.running()
        yield SimpleNamespace(view=view, limit=limit, looked=looked, context=context)


def over(stage: Any, body: bytes = b"x", *, marked: str = "", live: bool = False) -> HTTPFlow:
    """One more flow that has run through."""
    flow = tflow.tflow(resp=True)
    flow.request.data.content, flow.marked, flow.live = body, marked, live
    stage.view.requestheaders(flow)
    stage.limit.response(flow)
    return flow


def listed(stage: Any) -> list[str]:
    return [flow.id for flow in stage.view.resolve("@all")]


def test_the_oldest_go_once_there_are_too_many(stage: Any) -> None:
    flows = [over(stage) for _ in range(8)]
    assert listed(stage) == [flow.id for flow in flows[3:]]
    assert (flows[0].request.raw_content, stage.limit.dropped) == (None, 3)


def test_the_oldest_go_once_they_are_too_large(stage: Any) -> None:
    flows = [over(stage, bytes(40_000_000)) for _ in range(4)]
    assert listed(stage) == [flow.id for flow in flows[2:]]


@pytest.mark.parametrize(
    "special", [{"live": True}, {"marked": ":red_circle:"}], ids=["in flight", "marked by a person"]
)
def test_some_stay(stage: Any, special: dict[str, Any]) -> None:
    first = over(stage, **special)
    others = [over(stage) for _ in range(8)]
    assert listed(stage) == [first.id, *(flow.id for flow in others[-4:])]
    assert first.request.raw_content == b"x"
    assert not first.error


def test_what_we_have_marked_goes_as_others_do(stage: Any) -> None:
    first = over(stage, marked=":x:")
    for _ in range(5):
        over(stage)
    assert first.id not in listed(stage)


def test_what_somebody_looks_at_stays(stage: Any) -> None:
    first = over(stage)
    stage.looked.look(first.id)
    for _ in range(8):
        over(stage)
    assert listed(stage)[0] == first.id


def test_a_smaller_limit_holds_at_once(stage: Any) -> None:
    flows = [over(stage) for _ in range(5)]
    stage.context.configure(stage.limit, ringlet_flows=2)
    assert listed(stage) == [flow.id for flow in flows[3:]]


def test_what_is_deleted_counts_no_more(stage: Any) -> None:
    flows = [over(stage, bytes(30_000_000)) for _ in range(3)]
    stage.view.remove([flows[0]])
    more = over(stage, bytes(30_000_000))
    assert listed(stage) == [flows[1].id, flows[2].id, more.id]
    stage.view.clear()
    fresh = [over(stage, bytes(30_000_000)) for _ in range(3)]
    assert listed(stage) == [flow.id for flow in fresh]


def test_elsewhere_than_in_mitmweb_there_is_no_list() -> None:
    limit = FlowLimit(LookedAt(), ())
    with taddons.context(limit):
        limit.running()
        limit.response(tflow.tflow(resp=True))
