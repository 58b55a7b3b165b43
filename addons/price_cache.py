"""The price library without its weight: read by a child process once for each version of it, and kept in a file.

Importing it takes 0.2 s and 17 to 24 MB that a proxy would carry for life; the file (0.2 to 0.4 MB) takes 2 ms and
1 to 2 MB. Dropping the import afterwards does not give the memory back (tried: 0 MB).
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import msgspec

from ringlet_mitm.rules.home import Home
from ringlet_mitm.rules.pricelist import Catalogue, PriceBook, extract
from ringlet_mitm.rules.pricetables import table_of
from ringlet_mitm.rules.providers import ProviderRegistry

logger = logging.getLogger(__name__)

# -P: without it the folder that the proxy was started in could put its own modules before the installed ones.
CHILD = (sys.executable, "-P", "-m", "ringlet_mitm.addons.price_cache")
CHILD_SECONDS = 30


def price_book(home: Home, providers: ProviderRegistry) -> PriceBook:
    """The prices of these providers, the person's own first; the library comes from the cache in `home`."""
    specs = providers.list_providers()
    own = {spec.provider_id: table_of(spec.prices, "user") for spec in specs if spec.prices}
    ids = {spec.provider_id: spec.library_id for spec in specs if spec.library_id}
    return PriceBook(own, ids, lambda: catalogue(home))


def catalogue(home: Home) -> bytes:
    """The installed library's prices, from the cache or made anew; a cache that cannot be used is no error."""
    path = home.price_cache / f"genai-prices-{version('genai-prices')}.json"
    try:
        text = path.read_bytes()
        Catalogue(text)
        return text
    except (OSError, msgspec.DecodeError):
        text = _made()
    try:
        _keep(path, text)
    except OSError as error:
        logger.info("the price cache %s cannot be written: %s", path, error.strerror)
    return text


def _made() -> bytes:
    try:
        return subprocess.run(CHILD, check=True, capture_output=True, timeout=CHILD_SECONDS).stdout
    except (OSError, subprocess.SubprocessError):
        return extract()


def _keep(path: Path, text: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    for old in path.parent.glob("genai-prices-*.json"):
        old.unlink(missing_ok=True)
    handle, fresh = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(text)
    Path(fresh).replace(path)


if __name__ == "__main__":
    sys.stdout.buffer.write(extract())
