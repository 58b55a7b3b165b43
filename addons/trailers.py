"""Trailers behind a chunked body are read over.

mitmproxy raises NotImplementedError at them and lets go of the whole connection (HTTP/1.1, 11.0.2 to 12.2.3), of an
agent's as of a provider's. No format of ours has anything in them. mitmproxy reads chunks with h11's reader, as h11
does itself, which hands trailers out with the end of the body.
"""

from __future__ import annotations

from typing import Any

import h11
from h11._readers import ChunkedReader

_read = ChunkedReader.__call__


def forget_trailers() -> None:
    """From now on, in this process."""
    ChunkedReader.__call__ = _without_trailers  # type: ignore[method-assign]


def _without_trailers(self: ChunkedReader, buf: Any) -> h11.Data | h11.EndOfMessage | None:
    event = _read(self, buf)
    return h11.EndOfMessage() if isinstance(event, h11.EndOfMessage) else event
