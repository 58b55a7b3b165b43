"""The keyring of the operating system, where there is one that works: Keychain, Credential Locker, Secret Service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Protocol, TypeVar

T = TypeVar("T")

SERVICE = "ringlet-mitm"
OFF = frozenset({"0", "off", "no", "false"})
# `keyring` calls a backend of 1 and more recommended; below are its null and fail ones, and files in plain text, which
# ours are better than.
RECOMMENDED = 1


class KeyringTrouble(Exception):
    """The keyring did not do it: locked, refused, too long an entry, gone."""


class Keyring(Protocol):
    """Entries of one text each, by name. All may raise KeyringTrouble, and may wait for a person to unlock it."""

    def available(self) -> bool:
        """Whether entries can be put there."""

    def get(self, name: str) -> str | None:
        """The entry, None where there is none."""

    def set(self, name: str, text: str) -> None:
        """Put it there, in place of an older one."""

    def delete(self, name: str) -> None:
        """Take it away; nothing happens where there is none."""


class Backend(Protocol):
    """What the `keyring` library's backends have in common."""

    def get_password(self, service: str, username: str) -> str | None:
        """The entry."""

    def set_password(self, service: str, username: str, password: str) -> None:
        """Set the entry."""

    def delete_password(self, service: str, username: str) -> None:
        """Delete the entry."""


class OsKeyring:
    """The backend that `keyring` picks; looked for at the first use, since finding it asks the desktop."""

    @cached_property
    def _backend(self) -> Backend | None:
        import keyring

        try:
            found = keyring.get_keyring()
            return found if found.priority >= RECOMMENDED else None
        except Exception:  # backends are plug-ins: what they raise while they look for a desktop is anything
            return None

    def available(self) -> bool:
        """Whether this machine has one."""
        return self._backend is not None

    def get(self, name: str) -> str | None:
        """The entry, None where there is none."""
        return self._asked(lambda backend: backend.get_password(SERVICE, name))

    def set(self, name: str, text: str) -> None:
        """Put it there; Windows takes 2,560 bytes, which is less than two long tokens."""
        self._asked(lambda backend: backend.set_password(SERVICE, name, text))

    def delete(self, name: str) -> None:
        """Take it away."""
        if self.get(name) is not None:
            self._asked(lambda backend: backend.delete_password(SERVICE, name))

    def _asked(self, ask: Callable[[Backend], T]) -> T:
        if self._backend is None:
            raise KeyringTrouble("there is no keyring on this machine")
        try:
            return ask(self._backend)
        except Exception as error:  # of D-Bus, of Windows, of whatever plug-in is installed
            # Only the kind of error: its text could hold the entry.
            raise KeyringTrouble(type(error).__name__) from None


def keyring_of(environ: Mapping[str, str]) -> Keyring | None:
    """The machine's keyring; None where `RINGLET_KEYRING=0` says that files are wanted."""
    return None if environ.get("RINGLET_KEYRING", "").strip().lower() in OFF else OsKeyring()
