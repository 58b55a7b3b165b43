"""Where logins are kept: in the keyring of the operating system, else in files that only their owner can read.

Every stored login has a file `logins/NAME.json`, also one in the keyring: that file then only says so. A proxy thus
knows without asking the keyring (which may open a window) that nobody has logged in, and sees by the file's time that
somebody just did.
"""

from __future__ import annotations

import json
import logging
import os
import re
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any

from ringlet_mitm.addons.credentials.login import Login, as_json, from_json, labelled, read
from ringlet_mitm.addons.credentials.os_keyring import Keyring, KeyringTrouble, keyring_of
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.home import Home
from ringlet_mitm.rules.whole_files import write_whole

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["Login", "LoginStore", "store_of"]

logger = logging.getLogger(__name__)

PLAIN_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
# A refresh takes a second, a person who unlocks the keyring meanwhile longer.
LOCK_S = 60.0
POLL_S = 0.02

Stamp = tuple[int, int, int]


class LoginStore:
    """Logins by provider id. All that it does may wait for the disk, the keyring or another proxy, except `at_hand`."""

    def __init__(self, home: Home, keyring: Keyring | None = None) -> None:
        self._folder = home.logins_dir
        self._keyring = keyring
        # A home of its own (RINGLET_HOME) is the whole world: it must not overwrite what another has in the keyring.
        self._suffix = "" if home.legacy is not None else f" ({home.config})"
        self._read: dict[str, tuple[Stamp, Login]] = {}
        self._reading = Lock()

    def load(self, provider_id: str) -> Login | None:
        """The login, None where nobody has logged in; raises ConfigError where it cannot be read."""
        path = self._path(provider_id)
        with self._reading:
            stamp = stamp_of(path)
            known = self._read.get(provider_id)
            if stamp is None or (known is not None and known[0] == stamp):
                return known[1] if stamp is not None and known is not None else None
            login = self._loaded(path, provider_id)
            self._read[provider_id] = stamp, login
            return login

    def at_hand(self, provider_id: str) -> bool:
        """Whether `load` answers at once, as it has read what is there now, or as nothing is there."""
        stamp = stamp_of(self._path(provider_id))
        known = self._read.get(provider_id)
        return stamp is None or (known is not None and known[0] == stamp)

    def save(self, provider_id: str, login: Login) -> str:
        """Keep a login in place of an older one; gives where it went. Raises ConfigError."""
        path = self._path(provider_id)
        login = labelled(login, f"login:{provider_id}")
        with self._reading:
            if self._put_into_keyring(provider_id, json.dumps(as_json(login))):
                place, values = "the keyring", {"provider": provider_id, "place": "keyring"}
            else:
                self._take_from_keyring(provider_id)
                place, values = str(path), {"provider": provider_id, "place": "file", **as_json(login)}
            _write(path, json.dumps(values, indent=1))
            stamp = stamp_of(path)
            if stamp is not None:
                self._read[provider_id] = stamp, login
        return place

    def delete(self, provider_id: str) -> bool:
        """Forget a login; whether there was one."""
        path = self._path(provider_id)
        there = path.exists()
        if there and self.place(provider_id) == "keyring" and self._keyring is not None:
            try:
                self._keyring.delete(self._entry(provider_id))
            except KeyringTrouble as error:
                raise ConfigError(f"the keyring keeps the login of '{provider_id}': {error}") from None
        path.unlink(missing_ok=True)
        self._read.pop(provider_id, None)
        return there

    def place(self, provider_id: str) -> str:
        """ "keyring", "file", or "" where nobody has logged in; the keyring is not asked."""
        path = self._path(provider_id)
        return str(_values(path).get("place", "file")) if path.exists() else ""

    def provider_ids(self) -> tuple[str, ...]:
        """Who has a login, sorted."""
        found = (_values(path).get("provider") for path in self._folder.glob("*.json"))
        return tuple(sorted(name for name in found if isinstance(name, str)))

    @contextmanager
    def locked(self, provider_id: str, patience_s: float = LOCK_S) -> Iterator[None]:
        """One at a time over all processes, so that two proxies renew a token once. Load again inside.

        Raises ConfigError where somebody else has it for longer than `patience_s`.
        """
        path = self._path(provider_id).with_suffix(".lock")
        _make_folder(self._folder)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            end = time.monotonic() + patience_s
            while not _locks(fd):
                if time.monotonic() > end:
                    raise ConfigError(
                        f"another process holds the login of '{provider_id}' for too long", file=str(path)
                    )
                time.sleep(POLL_S)
            yield
        finally:
            os.close(fd)

    def _loaded(self, path: Path, provider_id: str) -> Login:
        label, values = f"login:{provider_id}", _values(path)
        try:
            if values.get("place") != "keyring":
                _keep_private(path)
                return from_json(values, label)
            text = self._keyring.get(self._entry(provider_id)) if self._keyring is not None else None
            if text is not None:
                return read(text, label)
            reason = "is in the keyring, which does not have it or is switched off (RINGLET_KEYRING)"
        except KeyringTrouble as error:
            reason = f"is in the keyring, which cannot be read: {error}"
        except ValueError:
            reason = "is damaged"
        raise ConfigError(f"the login of '{provider_id}' {reason}; run: ringlet-mitm providers login {provider_id}")

    def _put_into_keyring(self, provider_id: str, text: str) -> bool:
        if self._keyring is None or not self._keyring.available():
            return False
        try:
            self._keyring.set(self._entry(provider_id), text)
        except KeyringTrouble as error:
            logger.warning("the keyring does not take the login of '%s' (%s): a file does", provider_id, error)
            return False
        return True

    def _take_from_keyring(self, provider_id: str) -> None:
        """An older login there; where it cannot be taken away nobody reads it any more."""
        if self._keyring is not None and self.place(provider_id) == "keyring":
            with suppress(KeyringTrouble):
                self._keyring.delete(self._entry(provider_id))

    def _entry(self, provider_id: str) -> str:
        return provider_id + self._suffix

    def _path(self, provider_id: str) -> Path:
        return self._folder / f"{file_stem(provider_id)}.json"


def store_of(home: Home, environ: Mapping[str, str]) -> LoginStore:
    """The store of this person; `RINGLET_KEYRING=0` in `environ` keeps logins in files."""
    return LoginStore(home, keyring_of(environ))


def file_stem(provider_id: str) -> str:
    """A name that any file system takes, another for every provider, also for `custom:https://Box/a` and `…/A`."""
    if PLAIN_NAME.fullmatch(provider_id):
        return provider_id
    readable = re.sub(r"[^a-z0-9]+", "-", provider_id.lower()).strip("-")[:40]
    return f"{readable}~{sha256(provider_id.encode()).hexdigest()[:16]}"


def _values(path: Path) -> dict[str, Any]:
    """What a login's file says, nothing where it is damaged."""
    try:
        values = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError:
        return {}
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(path)) from None
    return values if isinstance(values, dict) else {}


def stamp_of(path: Path) -> Stamp | None:
    """Tells a file from the one that replaces it."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _keep_private(path: Path) -> None:
    """Files are copied and restored with other modes; a key that all can read is no reason to stop work."""
    if sys.platform == "win32" or not stat.S_IMODE(path.stat().st_mode) & 0o077:
        return
    logger.warning("others could read %s, which holds a login: its mode is 0600 again", path)
    path.chmod(0o600)


def _make_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if sys.platform != "win32" and stat.S_IMODE(folder.stat().st_mode) & 0o077:
        folder.chmod(0o700)


def _write(path: Path, text: str) -> None:
    try:
        _make_folder(path.parent)
        write_whole(path, text.encode())
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", file=str(path)) from None


def _locks(fd: int) -> bool:
    """Take the lock if it is free; it goes with the descriptor, also when the process is killed."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
