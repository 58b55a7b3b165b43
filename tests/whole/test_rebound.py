"""Names of the world that lead to this machine: mitmweb, the proxy and other local servers are not reached by them.

The proxy runs in this process, since the name has to be made up: a real one could not be relied on.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest
from mitmproxy.master import Master
from mitmproxy.options import Options
from watched import UPGRADE

from ringlet_mitm.addons.guard import Guard
from ringlet_mitm.addons.lean import LeanMaster
from ringlet_mitm.addons.web import web_master
from ringlet_mitm.rules.interception import HostPolicy

NAME = "rebound.example"
FORMS = {
    "as a plain request": f"GET http://{NAME}:{{port}}/flows HTTP/1.1\r\nHost: 127.0.0.1:{{port}}\r\n\r\n",
    "as an upgrade": f"GET http://{NAME}:{{port}}/updates HTTP/1.1\r\nHost: 127.0.0.1:{{port}}\r\n{UPGRADE}\r\n",
    "by a Host header": f"GET /flows HTTP/1.1\r\nHost: {NAME}:{{port}}\r\n\r\n",
    "as a tunnel": f"CONNECT {NAME}:{{port}} HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


@pytest.fixture(autouse=True)
def rebound(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name leads to 127.0.0.1."""
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *rest: Any, **more: Any) -> Any:
        return real("127.0.0.1" if host in (NAME, NAME.encode()) else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


class Listening:
    """Says when the port is open."""

    def __init__(self, event: asyncio.Event) -> None:
        self._event = event

    def running(self) -> None:
        """The proxy's server started before."""
        self._event.set()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


async def asked(port: int, request: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode())
    said = b""
    while b"\r\n\r\n" not in said.removeprefix(b"HTTP/1.1 200 Connection established\r\n\r\n"):
        more = await asyncio.wait_for(reader.read(65536), 20)
        if not more:
            break
        said += more
    writer.close()
    return said


def through(make: Callable[[Options], Master], aim: Callable[[int, int], int], form: str) -> tuple[bytes, int]:
    """What a proxy says to a request for `aim(its port, a local server's)`, and how many reached that server."""
    reached = 0

    async def main() -> bytes:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal reached
            reached += bool(await reader.read(1))
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = free_port()
        master = make(Options(listen_host="127.0.0.1", listen_port=port))
        master.options.update(connection_strategy="lazy")
        listening = asyncio.Event()
        master.addons.add(Guard(HostPolicy.of(())), Listening(listening))
        running = asyncio.create_task(master.run())
        await listening.wait()
        said = await asked(port, form.format(port=aim(port, server.sockets[0].getsockname()[1])))
        master.shutdown()
        await running
        server.close()
        return said

    return asyncio.run(main()), reached


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("where", ["mitmweb", "the proxy itself", "a local server"])
def test_a_name_that_leads_here_leads_nowhere(form: str, where: str) -> None:
    web = free_port()
    ports: dict[str, Callable[[int, int], int]] = {
        "mitmweb": lambda own, other: web,
        "the proxy itself": lambda own, other: own,
        "a local server": lambda own, other: other,
    }
    said, reached = through(lambda options: web_master(web, lambda url: None, options), ports[where], form)
    assert b"mitmweb" not in said
    assert b" 403 " not in said.removeprefix(b"HTTP/1.1 403"), "the token was not asked for"
    assert b"leads back to this machine" in said or said == b"HTTP/1.1 200 Connection established\r\n\r\n"
    assert reached == 0


def test_without_mitmweb_as_well() -> None:
    said, reached = through(LeanMaster, lambda own, other: other, FORMS["as a plain request"])
    assert (said.startswith(b"HTTP/1.1 502"), reached) == (True, 0)
