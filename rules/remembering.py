"""A bounded memory of what was found out about something before.

Agents resend the whole conversation every turn, so what was learned about a message is asked for again within seconds,
and never again once the conversation is over. An exact LRU order would cost a list operation at every look-up; two
generations do not: what was not asked for during a whole generation is forgotten together.
"""

from __future__ import annotations

from collections.abc import Iterable
from threading import Lock
from typing import Generic, TypeVar

V = TypeVar("V")


class Remembered(Generic[V]):
    """At most `max_entries` values by key (two at the least); safe to use from several threads.

    Reading takes no lock: a dict look-up is one step for the interpreter, and a value missed while generations change
    is found out again.
    """

    def __init__(self, max_entries: int) -> None:
        self._half = max(1, max_entries // 2)
        self._young: dict[bytes, V] = {}
        self._old: dict[bytes, V] = {}
        self._lock = Lock()

    def get(self, key: bytes) -> V | None:
        """The value, None where it is not remembered; asking keeps it."""
        found = self._young.get(key)
        if found is None:
            found = self._old.get(key)
            if found is not None:
                self.put(key, found)
        return found

    def get_all(self, keys: Iterable[bytes]) -> list[V | None]:
        """What `get` gives for each key, at a fraction of its cost where all were asked for lately."""
        # The same two dicts for all keys: keeping the first ones may already send the older generation away.
        young, old = self._young, self._old
        found: list[V | None] = list(map(young.get, keys := tuple(keys)))
        if old and None in found:
            for place, key in enumerate(keys):
                if found[place] is None and (value := old.get(key)) is not None:
                    found[place] = value
                    self.put(key, value)
        return found

    def put(self, key: bytes, value: V) -> None:
        """Remember `value`; the older generation goes when the younger is full."""
        with self._lock:
            if len(self._young) >= self._half and key not in self._young:
                self._old, self._young = self._young, {}
            self._young[key] = value

    def __len__(self) -> int:
        return len(self._young.keys() | self._old.keys())
