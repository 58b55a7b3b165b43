"""What a proxy of ours says of itself, asked over HTTP as any program may: `GET /health`.

Asked with the standard library's client, which goes where it is told: no proxy of the environment comes between, and
a machine's proxy is often the very one that is asked. Importing it takes 15 ms.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum
from typing import Any

PATIENCE_S = 2.0
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
LARGEST = 1 << 20  # of an answer; ours has a kilobyte or two
OUR_REALM = 'realm="ringlet-mitm"'


class Instead(Enum):
    """What is found where the proxy should be."""

    NOBODY = "nobody listens"
    SILENT = "somebody listens and does not answer in time"
    STRANGER = "what answers is not ringlet-mitm"
    LOCKED = "it asks for a login"


def reachable(host: str) -> str:
    """Where a proxy is reached that listens on `host`."""
    return ANY_ADDRESS.get(host, host)


def ask(host: str, port: int, patience_s: float = PATIENCE_S, login: str = "") -> Mapping[str, Any] | Instead:
    """The proxy's own words, or what is there instead; takes `patience_s` at most to connect, and again to answer.

    `login` is the value of `Proxy-Authorization` for a proxy that asks for one.
    """
    connection = http.client.HTTPConnection(host, port, timeout=patience_s)
    try:
        connection.connect()
    except TimeoutError:
        return Instead.SILENT
    except OSError:
        return Instead.NOBODY
    asked = time.monotonic()
    # A time-out of sockets begins anew with every byte.
    watch = threading.Timer(patience_s, _hang_up, (connection.sock,))
    watch.daemon = True
    watch.start()
    try:
        connection.request("GET", "/health", headers={"proxy-authorization": login} if login else {})
        answer = connection.getresponse()
        locked = answer.status == 407 and OUR_REALM in answer.getheader("proxy-authenticate", "")
        said = Instead.LOCKED if locked else _health(answer.status, answer.read(LARGEST))
    except (OSError, http.client.HTTPException):
        said = Instead.STRANGER
    finally:
        watch.cancel()
        connection.close()
    return Instead.SILENT if said is Instead.STRANGER and time.monotonic() - asked >= patience_s else said


def _hang_up(line: socket.socket) -> None:
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)


def _health(status: int, body: bytes) -> Mapping[str, Any] | Instead:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return Instead.STRANGER
    ours = isinstance(said, dict) and said.get("status") == "ok" and isinstance(said.get("profile"), str)
    return said if ours and status == 200 and "rules" in said else Instead.STRANGER
