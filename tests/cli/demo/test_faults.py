"""What a plain client meets for each step of a fault script: the faults have to be the ones that their names say."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from itertools import product
from typing import Any

import httpx
import pytest
from h2.exceptions import InvalidBodyLengthError
from verdicts import read_answer

from ringlet_mitm.cli.demo.faults import (
    Step,
    close,
    delay,
    drop,
    error_after,
    error_first,
    garbage,
    go_away_after,
    go_away_before,
    go_away_during,
    ok,
    reset,
    reset_stream,
    silent,
    slow_drip,
    status,
    wrong_certificate,
    wrong_length,
)
from ringlet_mitm.cli.demo.faulty import Alpn, FaultyVendor

PATHS = {
    "messages": "/v1/messages",
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "gemini": "/v1beta/models/m:streamGenerateContent?alt=sse",
}
HOSTS: dict[str, Alpn] = {"one.test": "http/1.1", "two.test": "h2"}
REFUSING, DEAF = "refusing.test", "deaf.test"
hosts = pytest.mark.parametrize("host", HOSTS, ids=["HTTP/1.1", "HTTP/2"])


@pytest.fixture(scope="module")
def vendor() -> Iterator[FaultyVendor]:
    with FaultyVendor(HOSTS, refusing=[REFUSING], deaf=[DEAF]) as running:
        yield running


def place(vendor: FaultyVendor, host: str) -> tuple[str, int]:
    address, port = next(one.split(":")[2:] for one in vendor.connect_to if one.startswith(f"{host}:"))
    return address, int(port)


def ask(vendor: FaultyVendor, host: str, style: str = "messages", *, stream: bool = True) -> tuple[str, int, bytes]:
    """What came: in which version, with which status, how much of a body; raises httpx's own errors."""
    context = ssl.create_default_context(cafile=str(vendor.ca_file))
    address, port = place(vendor, host)
    with httpx.Client(verify=context, http2=True, timeout=0.5, trust_env=False) as http:
        body = {"model": "m", "stream": stream}
        options: dict[str, Any] = {"headers": {"host": host}, "extensions": {"sni_hostname": host}}
        request = http.build_request("POST", f"https://{address}:{port}{PATHS[style]}", json=body, **options)
        answer = http.send(request)
        return answer.http_version, answer.status_code, answer.content


RIGHT = [ok(), delay(20, ok()), slow_drip(), slow_drip(sizes=(1, 2, 3, 5, 8, 13)), go_away_after()]


@hosts
@pytest.mark.parametrize("step", RIGHT, ids=lambda step: step.name)
@pytest.mark.parametrize("style", PATHS)
def test_right_answers(vendor: FaultyVendor, host: str, step: Step, style: str) -> None:
    vendor.script(host, step)
    version, code, body = ask(vendor, host, style)
    assert version == {"http/1.1": "HTTP/1.1", "h2": "HTTP/2"}[HOSTS[host]]
    assert read_answer(style, True, code, body).text == f"This is m at {host}. " + (
        "I have read your message and have nothing to add."
    )


@hosts
@pytest.mark.parametrize(("style", "step"), list(product(PATHS, [status(529), error_first(), error_after(2)])))
def test_errors_are_the_formats_own(vendor: FaultyVendor, host: str, style: str, step: Step) -> None:
    vendor.script(host, step)
    _, code, body = ask(vendor, host, style)
    assert read_answer(style, True, code, body).kind == "error"


BREAKS: list[tuple[Step, type[httpx.HTTPError] | tuple[type[httpx.HTTPError], ...]]] = [
    *((cut(events), httpx.TransportError) for cut in (reset, drop, close, reset_stream) for events in (None, 0, 2)),
    *((silent(events), httpx.ReadTimeout) for events in (None, 0, 2)),
    (garbage(), httpx.RemoteProtocolError),
    (go_away_before(), httpx.RemoteProtocolError),
    (wrong_certificate(), httpx.ConnectError),
]


@hosts
@pytest.mark.parametrize(("step", "error"), BREAKS, ids=lambda value: getattr(value, "name", ""))
def test_breaks(vendor: FaultyVendor, host: str, step: Step, error: type[httpx.HTTPError]) -> None:
    vendor.script(host, step)
    with pytest.raises(error):
        ask(vendor, host)


def test_a_reset_is_one_and_a_drop_is_none(vendor: FaultyVendor) -> None:
    """Clients do not tell them apart; TCP does."""
    found = []
    for step in (reset(), drop()):
        vendor.script("one.test", step)
        with socket.create_connection(place(vendor, "one.test")) as plain:
            found.append(_below_tls(vendor, plain))
    assert found == ["RST", "FIN"]


def _below_tls(vendor: FaultyVendor, plain: socket.socket) -> str:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cafile=str(vendor.ca_file))
    secure = context.wrap_bio(incoming, outgoing, server_hostname="one.test")
    while secure.version() is None or outgoing.pending:
        try:
            secure.do_handshake()
            secure.write(b"GET / HTTP/1.1\r\nhost: one.test\r\n\r\n")
            plain.sendall(outgoing.read())
            break
        except ssl.SSLWantReadError:
            plain.sendall(outgoing.read())
            incoming.write(plain.recv(65_536))
    try:
        while plain.recv(65_536):
            pass
    except ConnectionResetError:
        return "RST"
    return "FIN"


@pytest.mark.parametrize("more", [7, -7])
def test_content_lengths_that_are_wrong(vendor: FaultyVendor, more: int) -> None:
    vendor.script("two.test", wrong_length(more))
    with pytest.raises(InvalidBodyLengthError):
        ask(vendor, "two.test")
    vendor.script("one.test", wrong_length(more), ok())
    if more > 0:
        with pytest.raises(httpx.RemoteProtocolError):
            ask(vendor, "one.test")
        return
    assert ask(vendor, "one.test")[2].endswith(b'"message_s')


def test_goaway_during_is_connection_close_in_http1(vendor: FaultyVendor) -> None:
    vendor.script("one.test", go_away_during())
    assert ask(vendor, "one.test")[1] == 200


@pytest.mark.parametrize(("host", "error"), [(REFUSING, httpx.ConnectError), (DEAF, httpx.ConnectTimeout)])
def test_places_where_nobody_is(vendor: FaultyVendor, host: str, error: type[httpx.HTTPError]) -> None:
    with pytest.raises(error):
        ask(vendor, host)


def test_steps_are_taken_one_by_one_and_the_last_is_repeated(vendor: FaultyVendor) -> None:
    before = len(vendor.at("one.test"))
    vendor.script("one.test", status(429, headers={"retry-after": "1"}), status(503), ok())
    assert [ask(vendor, "one.test")[1] for _ in range(4)] == [429, 503, 200, 200]
    heard = vendor.at("one.test")[before:]
    assert [one.step for one in heard] == ["status 429", "status 503", "ok", "ok"]
    assert [one.header("host") for one in heard] == ["one.test"] * 4
    assert len({one.connection for one in heard}) == 4


@hosts
def test_it_notices_that_a_client_has_gone(vendor: FaultyVendor, host: str) -> None:
    vendor.script(host, silent())
    with pytest.raises(httpx.ReadTimeout):
        ask(vendor, host)
    assert vendor.until(lambda: vendor.at(host)[-1].cancelled is not None)


def test_it_goes_down_and_comes_back(vendor: FaultyVendor) -> None:
    vendor.script("one.test", ok())
    vendor.down()
    with pytest.raises(httpx.ConnectError):
        ask(vendor, "one.test")
    vendor.up()
    assert ask(vendor, "one.test")[1] == 200
