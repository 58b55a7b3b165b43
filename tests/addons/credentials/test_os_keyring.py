from __future__ import annotations

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail, null
from keyring.errors import PasswordSetError

from ringlet_mitm.addons.credentials.os_keyring import SERVICE, KeyringTrouble, OsKeyring, keyring_of


class Memory(KeyringBackend):
    """A backend of the `keyring` library."""

    priority = 5  # type: ignore[assignment]

    def __init__(self, refuses: bool = False) -> None:
        self.entries: dict[tuple[str, str], str] = {}
        self.refuses = refuses

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if self.refuses:
            raise PasswordSetError(f"cannot store {password}")
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.entries[service, username]


class InPlainText(Memory):
    priority = 0.5  # type: ignore[assignment]


def use(backend: KeyringBackend, monkeypatch: pytest.MonkeyPatch) -> OsKeyring:
    monkeypatch.setattr(keyring, "get_keyring", lambda: backend)
    return OsKeyring()


def test_an_entry_is_kept_under_our_name(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Memory()
    ring = use(backend, monkeypatch)
    assert ring.available() and ring.get("groq") is None
    ring.set("groq", "text")
    assert backend.entries == {(SERVICE, "groq"): "text"} and ring.get("groq") == "text"
    ring.delete("groq")
    ring.delete("groq")
    assert backend.entries == {}


@pytest.mark.parametrize("backend", [fail.Keyring(), null.Keyring(), InPlainText()], ids=["none", "null", "plain text"])
def test_what_is_no_keyring_is_not_used(backend: KeyringBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = use(backend, monkeypatch)
    assert not ring.available()
    with pytest.raises(KeyringTrouble, match="no keyring"):
        ring.get("groq")


def test_a_search_that_fails_means_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def search() -> KeyringBackend:
        raise OSError("no bus")

    monkeypatch.setattr(keyring, "get_keyring", search)
    assert not OsKeyring().available()


def test_trouble_does_not_show_the_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyringTrouble, match=r"^PasswordSetError$") as caught:
        use(Memory(refuses=True), monkeypatch).set("groq", "sk-secret")
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("value", "wanted"),
    [("0", False), ("off", False), ("No", False), ("1", True), ("", True), (None, True)],
)
def test_a_variable_switches_it_off(value: str | None, wanted: bool) -> None:
    assert (keyring_of({} if value is None else {"RINGLET_KEYRING": value}) is not None) is wanted
