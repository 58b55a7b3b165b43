"""Connections that are refused because of where they lead, on a real loop with real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from ringlet_mitm.addons import inward
from ringlet_mitm.addons.inward import BOUND, Bound

OWN, OTHER = 8484, 9000
ELSEWHERE = ("192.0.2.9", 50_000)
ENDS: dict[str, tuple[str, tuple[str, int], tuple[str, int], bool, bool]] = {
    "a name that leads to loopback": ("rebound.example", ("127.0.0.1", OTHER), ("127.0.0.1", 50_000), True, True),
    "in IPv6": ("rebound.example", ("::1", OTHER), ("::1", 50_000), True, True),
    "mapped into IPv6": ("rebound.example", ("::ffff:127.0.0.1", OTHER), ("::1", 50_000), True, True),
    "a provider that lives there": ("ollama.example", ("127.0.0.1", OTHER), ("127.0.0.1", 50_000), False, False),
    "a detour": ("127.0.0.1", ("127.0.0.1", OTHER), ("127.0.0.1", 50_000), True, False),
    "our own port": ("rebound.example", ("127.0.0.1", OWN), ("127.0.0.1", 50_000), True, True),
    "our own port as a provider": ("localhost", ("127.0.0.1", OWN), ("127.0.0.1", 50_000), False, True),
    "our own port at this machine's address": ("192.0.2.9", ("192.0.2.9", OWN), ELSEWHERE, True, True),
    "this machine's address": ("192.0.2.9", ("192.0.2.9", OTHER), ELSEWHERE, True, False),
    "another machine": ("example.com", ("203.0.113.7", 443), ELSEWHERE, True, False),
    "another machine with our port": ("example.com", ("203.0.113.7", OWN), ELSEWHERE, True, False),
}


@pytest.mark.parametrize(("host", "there", "here", "outward", "refused"), ENDS.values(), ids=ENDS)
def test_what_is_refused(
    host: str, there: tuple[str, int], here: tuple[str, int], outward: bool, refused: bool
) -> None:
    assert Bound(frozenset({OWN}), outward).refuses(host, there, here) is refused


def test_an_end_that_nobody_knows_refuses_nothing() -> None:
    assert not Bound(frozenset({OWN}), outward=True).refuses("x.example", None, None)


def connected(bound: Bound | None, opened: Callable[[int], Awaitable[object]]) -> tuple[bool, bytes]:
    """Whether a connection to a listening port was made, and what has arrived there."""

    async def main() -> tuple[bool, bytes]:
        heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                heard.set_result(await reader.read())
            except ConnectionResetError:
                heard.set_result(b"")
            writer.close()

        loop = asyncio.get_running_loop()
        inward.install(loop)
        server = await asyncio.start_server(hear, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        BOUND.set(bound)
        try:
            await opened(port)
        except ConnectionRefusedError as error:
            assert inward.REFUSED in str(error)
            return False, await asyncio.wait_for(heard, 10)
        finally:
            server.close()
        return True, await asyncio.wait_for(heard, 10)

    return asyncio.run(main())


async def speak(port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"hello")
    writer.close()


@pytest.mark.parametrize(
    ("bound", "made"),
    [
        pytest.param(None, True, id="not for a client of the proxy"),
        pytest.param(Bound(frozenset(), outward=False), True, id="as a rule leads it"),
        pytest.param(Bound(frozenset(range(1, 65536)), outward=False), False, id="our own port"),
    ],
)
def test_nothing_is_sent_where_it_is_refused(bound: Bound | None, made: bool) -> None:
    assert connected(bound, speak) == (made, b"hello" if made else b"")
