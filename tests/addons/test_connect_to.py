from __future__ import annotations

import asyncio

import pytest

from ringlet_mitm.addons.connect_to import Detour, install, parse_detour
from ringlet_mitm.rules.errors import UsageError


@pytest.mark.parametrize(
    ("text", "detour"),
    [
        ("api.anthropic.com:443:127.0.0.1:9443", Detour("api.anthropic.com", 443, "127.0.0.1", 9443)),
        ("API.OpenAI.com:443:localhost:1", Detour("api.openai.com", 443, "localhost", 1)),
        ("api.x.ai:443:[::1]:9443", Detour("api.x.ai", 443, "::1", 9443)),
        ("::127.0.0.1:9", Detour("", 0, "127.0.0.1", 9)),
    ],
    ids=["host to address", "names fold their case", "to IPv6", "any host and port"],
)
def test_a_detour_is_written_as_for_curl(text: str, detour: Detour) -> None:
    assert parse_detour(text) == detour


@pytest.mark.parametrize("text", ["", "a:1", "a:b:c:d", "a:1:b", "a:1:b:2:c"])
def test_anything_else_is_refused_with_the_form_in_the_message(text: str) -> None:
    with pytest.raises(UsageError, match="HOST:PORT:TO_HOST:TO_PORT"):
        parse_detour(text)


@pytest.mark.parametrize("detours", [[("vendor.invalid", 443)], [("", 443)], [("", 0)], [("vendor.invalid", 0)]])
def test_connections_to_the_host_arrive_at_the_detour(detours: list[tuple[str, int]]) -> None:
    async def main() -> bytes:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"here")
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        install(asyncio.get_running_loop(), [Detour(*place, "127.0.0.1", port) for place in detours])
        reader, writer = await asyncio.open_connection("vendor.invalid", 443)
        said = await reader.read()
        writer.close()
        server.close()
        return said

    assert asyncio.run(main()) == b"here"
