"""Rings streams whose provider is overdue, and gives up connections that do not come about.

One round over all that are in flight, four times a second: a timer for each request would keep its bodies in memory
until it rings, minutes after the answer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress

from mitmproxy import ctx
from mitmproxy.connection import Server
from mitmproxy.proxy.server import ConnectionHandler

from ringlet_mitm.addons.http_stream import PatientStream
from ringlet_mitm.addons.stream_clock import Due

ROUND_S = 0.25

logger = logging.getLogger(__name__)

_ringing: set[asyncio.Task[None]] = set()


async def keep_deadlines() -> None:
    """Runs as long as the proxy."""
    while True:
        await asyncio.sleep(ROUND_S)
        try:
            await _round(time.monotonic())
        except Exception:  # one stream's trouble must not leave all others without deadlines
            logger.exception("a provider that is overdue could not be given up")


def ring(stream: PatientStream, due: Due) -> None:
    """Have it done soon, from wherever one is."""
    task = asyncio.get_running_loop().create_task(_rung(stream, due))
    _ringing.add(task)
    task.add_done_callback(_ringing.discard)


async def _rung(stream: PatientStream, due: Due) -> None:
    handler = _handler_of(stream)
    if handler is not None:
        await handler.server_event(stream.rings(due))


async def _round(now: float) -> None:
    for stream in tuple(PatientStream.in_flight):  # a copy: whoever is done leaves meanwhile
        due = stream.due(now)
        if due is None:
            continue
        handler = _handler_of(stream)
        if handler is None:
            PatientStream.in_flight.discard(stream)
        elif due is Due.NO_CONNECTION:
            _give_up_connecting(handler, stream)
        else:
            await handler.server_event(stream.rings(due))


def _handler_of(stream: PatientStream) -> ConnectionHandler | None:
    handlers = ctx.master.addons.get("proxyserver").connections.values()
    return next((one for one in handlers if one.client is stream.context.client), None)


def _give_up_connecting(handler: ConnectionHandler, stream: PatientStream) -> None:
    """No TCP, or no TLS: nothing runs on it yet, so nobody else is disturbed.

    One that has not begun waits for a place, where mitmproxy does not expect to be cancelled; nor does it twice.
    """
    wanted = (stream.flow.request.host, stream.flow.request.port)
    for connection, found in list(handler.transports.items()):
        if not isinstance(connection, Server) or connection.address != wanted or not connection.timestamp_start:
            continue
        if connection.error or connection.timestamp_tls_setup or (found.handler and found.handler.cancelling()):
            continue
        if found.writer is None and found.handler is not None:
            found.handler.cancel("no connection in time")
        else:
            with suppress(AttributeError, OSError):
                found.writer.transport.abort()  # type: ignore[union-attr]
