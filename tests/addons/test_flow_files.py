"""Files of flows, read again: no key in them, everything else as it was."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from mitmproxy import flowfilter, http
from mitmproxy.io import FilteredFlowWriter, FlowReader, FlowWriter
from mitmproxy.test import tflow

from ringlet_mitm.addons.flow_files import mask_files, masked_state

KEY = "sk-ant-of-somebody-0123456789"


def flow_with_keys() -> http.HTTPFlow:
    """One in flight, edited by a person, with a key in every place that has one."""
    flow = tflow.tflow(resp=True, err=True, ws=True)
    assert flow.response is not None
    assert flow.error is not None
    flow.request.headers["authorization"] = f"Bearer {KEY}"
    flow.request.path = f"/v1beta/models/m:generateContent?alt=sse&key={KEY}"
    flow.backup()
    flow.request.headers["x-new"] = KEY
    flow.response.headers["set-cookie"] = f"session={KEY}"
    flow.response.trailers = http.Headers(x_api_key=KEY)
    flow.error.msg = f"cannot reach https://user:{KEY}@host/"
    flow.comment = f"with {KEY}"
    return flow


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """mitmproxy's own writers, put back after the test."""
    monkeypatch.setattr(FlowWriter, "add", FlowWriter.add)
    monkeypatch.setattr(FilteredFlowWriter, "add", FilteredFlowWriter.add)
    mask_files()
    mask_files()
    yield


WRITERS: dict[str, Any] = {
    "all": FlowWriter,
    "a filter that fits": lambda file: FilteredFlowWriter(file, flowfilter.parse("~s")),
    "no filter": lambda file: FilteredFlowWriter(file, None),
}


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_no_key_is_written(patched: None, writer: Any) -> None:
    flow, file = flow_with_keys(), io.BytesIO()
    writer(file).add(flow)
    assert KEY.encode() not in file.getvalue()
    file.seek(0)
    (read,) = FlowReader(file).stream()
    assert isinstance(read, http.HTTPFlow)
    assert (read.request.path, read.request.raw_content) == (
        "/v1beta/models/m:generateContent?alt=sse&key=***",
        flow.request.raw_content,
    )
    assert read.request.headers["authorization"] == "Bearer ***"
    assert flow.request.headers["authorization"] == f"Bearer {KEY}"


def test_what_the_filter_leaves_out_is_left_out(patched: None) -> None:
    file = io.BytesIO()
    FilteredFlowWriter(file, flowfilter.parse("~d nowhere")).add(flow_with_keys())
    assert file.getvalue() == b""


def test_bodies_can_be_left_out() -> None:
    state = masked_state(flow_with_keys(), bodies=False)
    assert (state["request"]["content"], state["response"]["content"]) == (None, None)
    assert state["websocket"]["messages"] == []


def test_other_kinds_of_flows_are_written_as_well() -> None:
    assert masked_state(tflow.ttcpflow())["type"] == "tcp"
