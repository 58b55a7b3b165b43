"""From the name of a key to the key: a place in the person's file, then variables, then a stored login."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ringlet_mitm.addons.credentials.login import Login
from ringlet_mitm.addons.credentials.secret import Secret
from ringlet_mitm.addons.credentials.store import LoginStore, Stamp, stamp_of
from ringlet_mitm.rules.document import Document
from ringlet_mitm.rules.errors import ConfigError, NoKey
from ringlet_mitm.rules.interpolation import interpolated
from ringlet_mitm.rules.keys import KeyRef, edition_of

# Of a file that is edited, the texts that rules in force may still name.
EDITIONS = 8


class Vault:
    """Keys from the environment that the proxy was started with, from files as they are now, and from logins."""

    def __init__(self, environ: Mapping[str, str], store: LoginStore | None = None) -> None:
        self.environ = environ
        self._files: dict[tuple[str, str], tuple[Stamp, Document]] = {}
        self.store = store

    def find(self, ref: KeyRef) -> Secret | None:
        """The key that `ref` names, None where it is not set; white space around a pasted key is dropped.

        A place in a file that has no key is not made up for by a variable: it could be another account's. Raises
        ConfigError where a stored login cannot be read.
        """
        if ref.file:
            try:
                return self._in_file(ref)
            except NoKey:
                return None
        for variable in ref.variables:
            text = self.environ.get(variable, "").strip()
            if text:
                return Secret(text, f"env:{variable}")
        login = self.login(ref)
        return login.secret if login else None

    def get(self, ref: KeyRef, provider: str) -> Secret:
        """Like `find`; raises NoKey with the command that mends it."""
        secret = self._in_file(ref) if ref.file else self.find(ref)
        if secret is None:
            raise NoKey(f"no key for provider '{provider}': {self.remedy(ref)}")
        return secret

    def login(self, ref: KeyRef) -> Login | None:
        """The stored login that `ref` names, None where there is none; raises ConfigError where it cannot be read."""
        return self.store.load(ref.login) if self.store is not None and ref.login else None

    def at_hand(self, ref: KeyRef) -> bool:
        """Whether `find` and `login` answer at once, without waiting for the keyring."""
        if ref.file or any(self.environ.get(variable, "").strip() for variable in ref.variables):
            return True
        return self.store is None or not ref.login or self.store.at_hand(ref.login)

    def remedy(self, ref: KeyRef) -> str:
        """What to type where a key is missing."""
        login = f"run: ringlet-mitm providers login {ref.login}" if ref.login and self.store is not None else ""
        if not ref.variables:
            return login or "it has no variable to set"
        names = " or ".join(ref.variables)
        return f"set {names} where ringlet-mitm runs, then start it again{f'; or {login}' if login else ''}"

    def _in_file(self, ref: KeyRef) -> Secret:
        document = self._document(ref)
        value: object = document.data
        for step in ref.key:
            value = _inside(value, step)
        if not isinstance(value, str) or not value.strip():
            raise NoKey(
                str(document.error(ref.key, "there is no key here; write it as '${NAME}', NAME being a variable"))
            )
        try:
            text = interpolated(value, self.environ).strip()
        except ConfigError as error:
            raise NoKey(str(document.error(ref.key, error.message))) from None
        if not text:
            raise NoKey(str(document.error(ref.key, "is empty with the variables that are set")))
        return Secret(text, ref.file_label)

    def _document(self, ref: KeyRef) -> Document:
        """The file as it was when the rules were read, or as it is now where nobody minds."""
        known = self._files.get((ref.file, ref.edition))
        if known is not None and ref.edition:
            return known[1]
        stamp = stamp_of(Path(ref.file))
        if stamp is None:
            raise NoKey(f"{ref.file}: is gone, and the key that it named with it")
        if known is not None and known[0] == stamp:
            return known[1]
        try:
            text = Path(ref.file).read_text(encoding="utf-8")
            document = Document.parse(text, ref.file)
        except (OSError, UnicodeDecodeError, ConfigError) as error:
            raise NoKey(f"{ref.file}: cannot be read: {error}") from None
        if ref.edition and edition_of(text) != ref.edition:
            raise NoKey(f"{ref.file}: has just changed, and the rules are still those of before; try again")
        while len(self._files) >= EDITIONS:
            del self._files[next(iter(self._files))]
        self._files[ref.file, ref.edition] = stamp, document
        return document


def _inside(value: object, step: str | int) -> object:
    if isinstance(value, Mapping):
        return value.get(step)
    if isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
        return value[step]
    return None
