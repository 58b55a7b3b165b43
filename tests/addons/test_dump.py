"""`--dump`: one flow after another, its owner's alone, no key, and bodies only of model calls, where wanted."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

import pytest
from exchanges import flow_with, routed
from mitmproxy import http
from mitmproxy.io import read_flows_from_paths
from mitmproxy.test import tflow

from ringlet_mitm.addons.dump import Dump
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.shapes import WireFormat

KEY = "sk-ant-of-somebody-0123456789"


def model_call() -> http.HTTPFlow:
    flow = flow_with(routed(WireFormat.MESSAGES), content=b"answer")
    flow.request.headers["x-api-key"] = KEY
    return flow


def dumped(path: Path) -> list[http.HTTPFlow]:
    return [flow for flow in read_flows_from_paths([str(path)]) if isinstance(flow, http.HTTPFlow)]


@pytest.mark.parametrize("bodies", [True, False])
def test_bodies_are_those_of_model_calls_where_they_may_be_kept(tmp_path: Path, bodies: bool) -> None:
    dump = Dump(tmp_path / "a.flows", bodies=bodies)
    dump.response(model_call())
    dump.response(tflow.tflow(resp=True))
    dump.done()
    call, other = dumped(tmp_path / "a.flows")
    assert call.response is not None
    assert other.response is not None
    assert call.response.raw_content == (b"answer" if bodies else None)
    assert (other.request.raw_content, other.response.raw_content) == (None, None)


def test_a_file_goes_on_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.flows"
    path.touch(mode=0o644)
    for _ in range(2):
        dump = Dump(path, bodies=True)
        dump.response(model_call())
        dump.error(tflow.tflow(err=True))
        dump.done()
    assert len(dumped(path)) == 4
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert KEY.encode() not in path.read_bytes()


def test_a_websocket_is_written_at_its_end(tmp_path: Path) -> None:
    path, flow = tmp_path / "a.flows", tflow.twebsocketflow()
    dump = Dump(path, bodies=True)
    dump.response(flow)
    dump.websocket_end(flow)
    dump.done()
    dump.error(flow)
    assert len(dumped(path)) == 1


def test_a_full_disk_ends_the_file_and_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Full:
        def write(self, data: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    dump = Dump(tmp_path / "a.flows", bodies=True)
    dump._file = Full()  # type: ignore[assignment]
    dump.response(model_call())
    dump.response(model_call())
    dump.done()
    assert [record.message for record in caplog.records] == [
        f"{tmp_path / 'a.flows'}: No space left on device; nothing more is written into it"
    ]


def test_a_file_that_cannot_be_opened_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written: No such file"):
        Dump(tmp_path / "no" / "folder", bodies=True)
