"""Headers behind a chunked body, of an agent and of a provider: mitmproxy would let go of the connection."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any, cast

import pytest
from clients import StartProxy, client, messages_body
from faulty_runs import KEY, Provider, ask, rule, said_by

from ringlet_mitm.cli.demo.faults import Step, right
from ringlet_mitm.cli.demo.faulty import FaultyVendor
from ringlet_mitm.cli.demo.lines import Line
from ringlet_mitm.cli.demo.stage import RunningProxy
from ringlet_mitm.cli.demo.upstream import Vendor

PROVIDER = Provider("trailing")
TRAILERS = b"server-timing: total;dur=12\r\nx-checksum: 77aa\r\n"


async def _trailing(line: Line) -> None:
    reply = right(line.heard)
    line.head(200, reply.head)
    for piece in reply.pieces:
        await line.data(piece)
    line.raw(b"0\r\n" + TRAILERS + b"\r\n")


@pytest.fixture(scope="module")
def vendor() -> Iterator[FaultyVendor]:
    with FaultyVendor({PROVIDER.host: "http/1.1"}) as running:
        running.script(PROVIDER.host, Step("trailers", _trailing))
        yield running


@pytest.fixture(scope="module")
def proxy(shared_proxy: StartProxy, vendor: FaultyVendor) -> RunningProxy:
    options: dict[str, Any] = {"keys": KEY, "providers": {PROVIDER.name: PROVIDER.file}}
    return shared_proxy(rule("claude-opus-4-8", PROVIDER), vendor=cast(Vendor, vendor), **options)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("style", ["messages", "chat"], ids=["same wire", "translated"])
def test_a_providers_are_read_over(proxy: RunningProxy, style: str, stream: bool) -> None:
    with client(proxy) as http:
        for _ in range(2):  # the connection goes on
            came = ask(http, style, "claude-opus-4-8", stream=stream)
            assert (came.verdict.kind, came.verdict.text) == ("right", said_by("claude-opus-4-8", PROVIDER)), came


def test_an_agents_are_read_over(proxy: RunningProxy) -> None:
    body = messages_body(stream=True)
    head = f"POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1:{proxy.port}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", proxy.port), 10) as plain:
        for _ in range(2):
            plain.sendall(head + b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(body), body, TRAILERS))
            said = b""
            while b"\r\n0\r\n\r\n" not in said and (piece := plain.recv(65_536)):
                said += piece
            assert said.startswith(b"HTTP/1.1 200 ") and b"message_stop" in said
