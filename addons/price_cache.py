"""The price library without its weight: read by a child process once for each version of it, and kept in a file.

Importing it takes 0.2 s and 17 to 24 MB that a proxy would carry for life; the file (0.2 to 0.4 MB) takes 2 ms and
1 to 2 MB. Dropping the import afterwards does not give the memory back (tried: 0 MB).

Beside it, the newer price data that `models update` fetched: another file in the same form, which is no part of the
cache and is looked at again whenever a price book is made or refreshed.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from importlib.metadata import version
from pathlib import Path

import msgspec

from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.home import Home
from ringlet_mitm.rules.own_models import price_rows
from ringlet_mitm.rules.price_catalogue import FORM, Catalogue
from ringlet_mitm.rules.pricelist import PriceBook, extract
from ringlet_mitm.rules.pricetables import PriceTable, table_of
from ringlet_mitm.rules.profiles import own_models
from ringlet_mitm.rules.providers import ProviderRegistry
from ringlet_mitm.rules.whole_files import write_whole

logger = logging.getLogger(__name__)

# -P: without it the folder that the proxy was started in could put its own modules before the installed ones.
CHILD = (sys.executable, "-P", "-m", "ringlet_mitm.addons.price_cache")
CHILD_SECONDS = 30
# Whoever comes while it is being read waits for that, and reads it once.
_reading = threading.Lock()


def price_book(home: Home, providers: ProviderRegistry) -> PriceBook:
    """The prices of these providers, the person's own first; the library comes from the cache in `home`."""
    return PriceBook(*_of_person(home, providers), lambda: catalogue(home), update(home))


def refresh(book: PriceBook, home: Home, providers: ProviderRegistry) -> None:
    """Put what the files say now into a book that is in use; raises ConfigError, and then nothing has changed."""
    own, ids = _of_person(home, providers)
    book.replace(own, ids, update(home))


def catalogue(home: Home) -> bytes:
    """The installed library's prices, from the cache or made anew; a cache that cannot be used is no error."""
    path = _file(home)
    with _reading:
        try:
            text = path.read_bytes()
            Catalogue(text)
            return text
        except (OSError, msgspec.DecodeError):
            text = _made()
        try:
            for old in path.parent.glob("genai-prices-*.json"):
                old.unlink(missing_ok=True)
            _keep(path, text)
        except OSError as error:
            logger.info("the price cache %s cannot be written: %s", path, error.strerror)
    return text


def read_ahead(home: Home) -> None:
    """Make the cache in a thread where there is none: at the very first start, half a second of another core."""
    if not _file(home).exists():
        threading.Thread(target=catalogue, args=(home,), name="price library", daemon=True).start()


def _file(home: Home) -> Path:
    return home.price_cache / f"genai-prices-{installed()}.{FORM}.json"


def installed() -> str:
    """The version of the price library."""
    return version("genai-prices")


def update(home: Home) -> Catalogue | None:
    """The newer price data that was fetched; None where there is none, or where it cannot be read (logged)."""
    try:
        return Catalogue(home.price_update.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        logger.warning("the price update %s is not used: %s", home.price_update, error)
        return None


def keep_update(home: Home, text: bytes) -> None:
    """Store newer price data, whole or not at all; running proxies take it within a second."""
    try:
        _keep(home.price_update, text)
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", file=str(home.price_update)) from None


def drop_update(home: Home) -> bool:
    """Go back to the library's prices; whether there was anything to go back from."""
    try:
        home.price_update.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ConfigError(f"cannot be deleted: {error.strerror}", file=str(home.price_update)) from None
    return True


def _of_person(home: Home, providers: ProviderRegistry) -> tuple[dict[str, PriceTable], dict[str, str]]:
    """The person's price tables by provider, and under which id the library prices each provider."""
    specs = providers.list_providers()
    added = price_rows(own_models(home))
    rows = {spec.provider_id: {**spec.prices, **added.pop(spec.provider_id, {})} for spec in specs} | added
    own = {provider: table_of(table, "user") for provider, table in rows.items() if table}
    return own, {spec.provider_id: spec.library_id for spec in specs if spec.library_id}


def _made() -> bytes:
    try:
        return subprocess.run(CHILD, check=True, capture_output=True, timeout=CHILD_SECONDS).stdout
    except (OSError, subprocess.SubprocessError):
        return extract()


def _keep(path: Path, text: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text)


if __name__ == "__main__":
    sys.stdout.buffer.write(extract())
