from __future__ import annotations

from collections.abc import Callable

import pytest
from mitmproxy import http
from mitmproxy.connection import Connection
from mitmproxy.options import Options
from mitmproxy.proxy import commands, context, events
from mitmproxy.test import tflow
from mitmproxy.websocket import WebSocketData
from wsproto import Connection as WebSocket
from wsproto import ConnectionType
from wsproto.events import BytesMessage, CloseConnection, TextMessage

from ringlet_mitm.addons.socket_relay import PLAIN, SHOWN_MESSAGES, Nudge, SocketPort, SocketRelay, _layer
from ringlet_mitm.addons.turns_on_socket import Passed
from ringlet_mitm.addons.wire.websocket import MessageReader


class Reader:
    """A socket of ours that reads, and does as it is told."""

    def __init__(self) -> None:
        self.client, self.server = MessageReader(from_client=True), MessageReader(from_client=False)
        self.begins = self.wants_closing = self.breaks = False
        self.gone: list[bool] = []

    def from_client(self, data: bytes) -> Passed:
        if self.breaks:
            raise ValueError("of a bug")
        return Passed(self.client.feed(data), self.begins)

    def from_server(self, data: bytes) -> Passed:
        return Passed(self.server.feed(data))

    def closes(self) -> bool:
        return self.wants_closing

    def ended(self, *, by_client: bool) -> None:
        self.gone.append(by_client)

    def closed(self) -> tuple[bool, int] | None:
        return None if self.client.closed is None else (True, self.client.closed)


class Port(SocketPort):
    def __init__(self, reader: Reader | None, *, shows: bool = False) -> None:
        self.reader, self.shows = reader, shows

    def passes(self, flow: http.HTTPFlow) -> bool:
        return self.reader is not None

    def socket(self, flow: http.HTTPFlow) -> Reader | None:
        return self.reader


class Ends:
    """A relay between two ends, with what it sends and does."""

    def __init__(self, reader: Reader | None, *, shows: bool = False) -> None:
        self.flow = tflow.tflow(resp=True)
        self.flow.websocket = WebSocketData()
        self.context = context.Context(self.flow.client_conn, Options())
        self.context.server = self.flow.server_conn
        self.relay = SocketRelay(self.context, self.flow)
        self.relay.port = Port(reader, shows=shows)
        self.sent: dict[str, bytes] = {"client": b"", "server": b""}
        self.did: list[str] = []
        self.feed(events.Start())

    def feed(self, event: events.Event) -> None:
        for command in self.relay.handle_event(event):
            if isinstance(command, commands.StartHook):
                self.did.append(command.name)
                self.feed(events.HookCompleted(command, None))
            elif isinstance(command, commands.SendData):
                self.sent[self._name(command.connection)] += command.data
                self.did.append(f"to {self._name(command.connection)}")
            elif isinstance(command, commands.CloseConnection):
                self.did.append(f"close {self._name(command.connection)}")

    def _name(self, connection: Connection) -> str:
        return "client" if connection is self.flow.client_conn else "server"

    def client(self, data: bytes) -> None:
        self.feed(events.DataReceived(self.flow.client_conn, data))

    def server(self, data: bytes) -> None:
        self.feed(events.DataReceived(self.flow.server_conn, data))


def framed(*contents: str | bytes, client: bool = True) -> bytes:
    end = WebSocket(ConnectionType.CLIENT if client else ConnectionType.SERVER)
    return b"".join(
        end.send(TextMessage(content) if isinstance(content, str) else BytesMessage(content)) for content in contents
    )


@pytest.mark.parametrize("make", [Reader, lambda: None], ids=["read along", "not read"])
def test_bytes_go_on_as_they_come(make: Callable[[], Reader | None]) -> None:
    ends = Ends(make())
    for piece in (b"\x81", b"\x85abc", b"garbage", b""):
        ends.client(piece)
        ends.server(piece)
    assert ends.sent == {"client": b"\x81\x85abcgarbage", "server": b"\x81\x85abcgarbage"}
    assert ends.flow.websocket is not None and ends.flow.websocket.messages == []


def test_a_turn_is_told_of_once_it_is_on_its_way() -> None:
    reader = Reader()
    ends = Ends(reader)
    reader.begins = True
    ends.client(framed("hello"))
    assert ends.did == ["websocket_start", "to server", "socket_turn"]


def test_a_fault_of_ours_is_no_fault_of_the_connection() -> None:
    reader = Reader()
    ends = Ends(reader)
    reader.breaks = True
    ends.client(b"hello")
    ends.client(b" there")
    assert ends.sent["server"] == b"hello there"


@pytest.mark.parametrize(("by_client", "other"), [(True, "server"), (False, "client")], ids=["agent", "provider"])
def test_where_one_end_goes_the_other_is_told(by_client: bool, other: str) -> None:
    reader = Reader()
    ends = Ends(reader)
    gone = ends.flow.client_conn if by_client else ends.flow.server_conn
    ends.feed(events.ConnectionClosed(gone))
    ends.feed(events.ConnectionClosed(ends.flow.server_conn))
    ends.client(b"late")
    assert ends.did == ["websocket_start", f"close {other}", "websocket_end"]
    assert reader.gone == [by_client]
    data = ends.flow.websocket
    assert data is not None and (data.closed_by_client, data.close_code) == (by_client, 1006)
    assert not ends.flow.live


def test_who_said_goodbye_first_has_closed_it() -> None:
    reader = Reader()
    ends = Ends(reader)
    ends.client(WebSocket(ConnectionType.CLIENT).send(CloseConnection(1000)))
    ends.feed(events.ConnectionClosed(ends.flow.server_conn))
    data = ends.flow.websocket
    assert data is not None and (reader.gone, data.closed_by_client, data.close_code) == ([True], True, 1000)


def closing_events(data: bytes, kind: ConnectionType) -> list[object]:
    end = WebSocket(kind)
    end.receive_data(data)
    return list(end.events())


@pytest.mark.parametrize("how", ["the provider has answered", "something has changed", "the agent goes on"])
def test_it_is_closed_when_it_is_wanted(how: str) -> None:
    reader = Reader()
    ends = Ends(reader)
    reader.wants_closing = True
    answer = framed("done", client=False)
    match how:
        case "the provider has answered":
            ends.server(answer)
        case "something has changed":
            ends.feed(Nudge(ends.flow, None))
        case _:
            ends.client(framed("another turn"))
    said = ends.sent["client"].removeprefix(answer)
    assert closing_events(said, ConnectionType.CLIENT) == [CloseConnection(1012, "the routing rules have changed")]
    assert closing_events(ends.sent["server"], ConnectionType.SERVER) == [CloseConnection(1001, "")]
    ends.server(b"late")
    assert ends.did[-1] == "close server"
    ends.client(b"goodbye")
    assert ends.did[-2:] == ["close client", "websocket_end"]


def test_a_nudge_alone_closes_nothing() -> None:
    ends = Ends(Reader())
    ends.feed(Nudge(ends.flow, None))
    assert ends.did == ["websocket_start"]


def test_who_looks_sees_the_last_messages() -> None:
    ends = Ends(Reader(), shows=True)
    ends.client(framed("hello", b"\x00\xff"))
    ends.server(framed(*map(str, range(SHOWN_MESSAGES)), client=False))
    data = ends.flow.websocket
    assert data is not None and len(data.messages) == SHOWN_MESSAGES
    assert (data.messages[-1].from_client, data.messages[-1].text) == (False, str(SHOWN_MESSAGES - 1))
    assert ends.did.count("websocket_message") == SHOWN_MESSAGES + 2


def test_what_is_kept_for_who_looks_has_an_end() -> None:
    ends = Ends(Reader(), shows=True)
    for _ in range(6):
        ends.client(framed("x" * 1024 * 1024))
    data = ends.flow.websocket
    assert data is not None and len(data.messages) == 4


@pytest.mark.parametrize(("reader", "kind"), [(Reader(), SocketRelay), (None, PLAIN)], ids=["for us", "not for us"])
def test_whose_layer_it_is(monkeypatch: pytest.MonkeyPatch, reader: Reader | None, kind: type) -> None:
    monkeypatch.setattr(SocketRelay, "port", Port(reader))
    ends = Ends(reader)
    assert type(_layer(ends.context, ends.flow)) is kind
