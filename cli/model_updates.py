"""Newer price data from a file or a URL, for `ringlet-mitm models update`."""

from __future__ import annotations

import os
import time
from datetime import UTC, date, datetime
from ipaddress import ip_address
from pathlib import Path

import httpx

from ringlet_mitm.addons import price_cache
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.home import Home
from ringlet_mitm.rules.price_catalogue import Catalogue
from ringlet_mitm.rules.price_changes import Changes, compared
from ringlet_mitm.rules.pricelist import is_newer
from ringlet_mitm.rules.published_prices import Provenance, converted

# The published data has 0.4 to 2 MB (2026-11).
LARGEST_BYTES = 32 * 1024 * 1024
LONGEST_S = 60.0
TIMEOUT = httpx.Timeout(15.0, connect=10.0)
MOST_REDIRECTS = 5
EXAMPLES = 3

PUBLISHED = "https://raw.githubusercontent.com/pydantic/genai-prices/main/prices/new_data/v2/data_slim.json"


def update(home: Home, place: str) -> list[str]:
    """Fetch, check and store the data of a file or URL; what it changes, in words."""
    text, day = _fetched(place) if "://" in place else _read(Path(place))
    made = converted(text, Provenance(day, place, price_cache.installed()))
    new, library = Catalogue(made), Catalogue(price_cache.catalogue(home))
    price_cache.keep_update(home, made)
    return _said(compared(library, new), new, library)


def reset(home: Home) -> list[str]:
    """Back to the installed library's prices."""
    there = price_cache.drop_update(home)
    return ["back to the prices of the installed library" if there else "there was no update to go back from"]


def _read(path: Path) -> tuple[bytes, date]:
    """A file and the day it is of."""
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_BYTES + 1)
            modified = os.fstat(file.fileno()).st_mtime
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(path)) from None
    if len(text) > LARGEST_BYTES:
        raise ConfigError(_too_large(), file=str(path))
    return text, datetime.fromtimestamp(modified, UTC).date()


def _fetched(url: str) -> tuple[bytes, date]:
    """What is at a URL, and today; redirects are followed to where it could have been asked for directly."""
    deadline = time.monotonic() + LONGEST_S
    try:
        with httpx.Client(timeout=TIMEOUT) as client:
            for _ in range(MOST_REDIRECTS + 1):
                _check(url)
                with client.stream("GET", url) as response:
                    if response.next_request is None:
                        return _body(response, url, deadline), datetime.now(UTC).date()
                    url = str(response.next_request.url)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ConfigError(f"cannot be fetched: {error or type(error).__name__}", file=url) from None
    raise ConfigError(f"more than {MOST_REDIRECTS} redirects", file=url)


def _body(response: httpx.Response, url: str, deadline: float) -> bytes:
    if response.status_code != httpx.codes.OK:
        raise ConfigError(f"cannot be fetched: status {response.status_code}", file=url)
    text = bytearray()
    for chunk in response.iter_bytes():
        text += chunk
        if len(text) > LARGEST_BYTES:
            raise ConfigError(_too_large(), file=url)
        if time.monotonic() > deadline:
            raise ConfigError(f"took longer than {LONGEST_S:.0f} s", file=url)
    return bytes(text)


def _check(url: str) -> None:
    """Prices that anybody on the way could change are not worth having."""
    parts = httpx.URL(url)
    if parts.scheme == "https" or (parts.scheme == "http" and _is_here(parts.host)):
        return
    raise ConfigError("has to be https://, or http:// on this machine", file=url)


def _is_here(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _too_large() -> str:
    return f"is larger than {LARGEST_BYTES // 1024 // 1024} MB; that is no price data"


def _said(changes: Changes, new: Catalogue, library: Catalogue) -> list[str]:
    lines = [
        _count(len(changes.added), "added", changes.added),
        _count(len(changes.repriced), "with another price", [_change(*one) for one in changes.repriced]),
        f"{len(changes.gone)} models are not in it; the installed library's prices hold for them",
    ]
    if is_newer(new, library.version):
        return [*lines, f"in use from now on, as '{new.source}'; undo with: ringlet-mitm models update --reset"]
    of = f"version {new.version}" if new.version else f"of {new.dated}"
    return [*lines, f"kept, but not used: it is {of}, and the installed {library.source} is not older"]


def _count(number: int, what: str, names: list[str] | tuple[str, ...]) -> str:
    shown = ", ".join(names[:EXAMPLES]) + (", …" if number > EXAMPLES else "")
    return f"{number} models {what}" + (f": {shown}" if shown else "")


def _change(name: str, old: str, new: str) -> str:
    return f"{name} {old} -> {new}" if old != new else f"{name} (cache or tiers)"
