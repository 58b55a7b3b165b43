"""The past of a profile, as `rules backtest` and `rules suggest` read it: its requests, and what a replay stands on."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ringlet_mitm.addons.price_cache import price_book
from ringlet_mitm.addons.usage.history import history
from ringlet_mitm.addons.usage.ledger import Connection
from ringlet_mitm.addons.usage.periods import day_of
from ringlet_mitm.addons.usage.reports import first_us
from ringlet_mitm.cli.rule_setting import Setting
from ringlet_mitm.cli.usage.asked import Asked, asked_of
from ringlet_mitm.rules.backtest import Ground
from ringlet_mitm.rules.recorded import Recorded

SINCE = "30d"


@dataclass(frozen=True, slots=True)
class Past:
    """Whose it is, which time it is about, and the ledger, open."""

    setting: Setting
    asked: Asked
    ground: Ground
    connection: Connection

    def requests(self) -> Iterator[Recorded]:
        """In the order in which they arrived; read as they are asked for."""
        return history(self.connection, self.asked.ask, self.setting.registry.by_host)

    @property
    def words(self) -> str:
        """Whose and when, for a heading."""
        return f"profile '{self.setting.profile.name}', {self.asked.period.words}"

    @property
    def nothing(self) -> str:
        """What is said where there are no requests."""
        name, first = self.setting.profile.name, first_us(self.connection, self.asked.ask)
        if first is None:
            start = f"ringlet-mitm --profile {name}"
            return f"no requests of profile '{name}' are recorded yet; start the proxy with:  {start}"
        day = day_of(first, self.asked.now)
        return f"no requests of {self.words}; the first is from {day}, --since {day} counts all"


@contextmanager
def past(setting: Setting, since: str | None, until: str | None, database: Path | None) -> Iterator[Past]:
    """The requests of a profile since then, 30 days ago where nothing is said."""
    asked = asked_of(
        setting.home, since=since or SINCE, until=until, database=database, profile=(setting.profile.name,)
    )
    cards = price_book(setting.home, setting.registry).card
    ground = Ground(setting.registry, setting.pin, setting.calibration(), cards)
    with asked.reading(["spend"]) as connection, uncollected():
        yield Past(setting, asked, ground, connection)


@contextmanager
def uncollected() -> Iterator[None]:
    """Without looking for garbage: in a hundred thousand tuples without a cycle that took a sixth of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
