"""`--dump FILE`: what passes, in mitmproxy's own file format, for `mitmproxy -r FILE` and scripts; never a key.

Written by a thread, since a disk may be slow and bodies are large.
"""

from __future__ import annotations

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

from mitmproxy import http
from mitmproxy.io import tnetstring

from ringlet_mitm.addons.exchange import exchange_of
from ringlet_mitm.addons.flow_files import masked_state
from ringlet_mitm.rules.errors import ConfigError

logger = logging.getLogger(__name__)


class Dump:
    """Appends each flow at its end. Bodies are those of model calls alone: others may hold tokens of a login."""

    def __init__(self, path: Path, *, bodies: bool) -> None:
        """Raises ConfigError where the file cannot be written; it is its owner's alone from the first byte on."""
        self._path = path
        self._bodies = bodies
        self._file: BinaryIO | None = _opened(path)
        self._ended = False
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="dump")

    def response(self, flow: http.HTTPFlow) -> None:
        """It is over, unless a WebSocket begins now."""
        if flow.websocket is None:
            self._put(flow)

    def websocket_end(self, flow: http.HTTPFlow) -> None:
        """A WebSocket is over."""
        self._put(flow)

    def error(self, flow: http.HTTPFlow) -> None:
        """It is over before its end."""
        self.response(flow)

    def done(self) -> None:
        """What is waiting is written first."""
        self._ended = True
        self._writer.shutdown()
        if self._file is not None:
            self._file.close()

    def _put(self, flow: http.HTTPFlow) -> None:
        if self._ended:
            return
        bodies = self._bodies and exchange_of(flow) is not None
        self._writer.submit(self._write, masked_state(flow, bodies=bodies))

    def _write(self, state: dict[str, Any]) -> None:
        if self._file is None:
            return
        try:
            tnetstring.dump(state, self._file)
            self._file.flush()
        except OSError as error:
            logger.warning("%s: %s; nothing more is written into it", self._path, error.strerror)
            self._file = None


def _opened(path: Path) -> BinaryIO:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)
        if hasattr(os, "fchmod"):
            os.fchmod(fd, 0o600)
    except OSError as error:
        raise ConfigError(f"--dump: cannot be written: {error.strerror}", file=str(path)) from None
    return os.fdopen(fd, "ab")
