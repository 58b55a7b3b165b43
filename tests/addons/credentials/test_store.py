from __future__ import annotations

import json
import logging
import stat
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.addons.credentials.os_keyring import KeyringTrouble
from ringlet_mitm.addons.credentials.secret import Secret
from ringlet_mitm.addons.credentials.store import Login, LoginStore, file_stem
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.home import Home, home_of

KEY = Login("key", Secret("sk-very-secret"))
TOKENS = Login("oauth", Secret("access-1"), Secret("refresh-1"), 1_790_000_000.5, {"account_id": "acc"})
posix = pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX's")


class Ring:
    """A keyring in memory."""

    def __init__(self, *, there: bool = True, refuses: bool = False) -> None:
        self.entries: dict[str, str] = {}
        self.reads = 0
        self.there, self.refuses = there, refuses

    def available(self) -> bool:
        return self.there

    def get(self, name: str) -> str | None:
        self.reads += 1
        if self.refuses:
            raise KeyringTrouble("KeyringLocked")
        return self.entries.get(name)

    def set(self, name: str, text: str) -> None:
        if self.refuses:
            raise KeyringTrouble("PasswordSetError")
        self.entries[name] = text

    def delete(self, name: str) -> None:
        self.entries.pop(name, None)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return home_of({"RINGLET_HOME": str(tmp_path)})


def others(home: Home, keyring: Ring | None = None) -> LoginStore:
    """The store as another process sees it."""
    return LoginStore(home, keyring)


@pytest.mark.parametrize("login", [KEY, TOKENS], ids=["a key", "tokens"])
@pytest.mark.parametrize("keyring", [None, Ring()], ids=["in a file", "in the keyring"])
def test_what_is_saved_is_loaded(home: Home, login: Login, keyring: Ring | None) -> None:
    LoginStore(home, keyring).save("copilot", login)
    for store in (others(home, keyring), others(home, keyring)):
        found = store.load("copilot")
        assert found == login and found is not None
        assert found.secret.label == "login:copilot"


def test_nobody_has_logged_in(home: Home) -> None:
    store = LoginStore(home, Ring())
    assert (store.load("groq"), store.place("groq"), store.at_hand("groq"), store.delete("groq")) == (
        *(None, "", True),
        False,
    )
    assert store.provider_ids() == ()


def test_the_keyring_has_the_secret_and_the_file_only_says_so(home: Home) -> None:
    ring = Ring()
    assert LoginStore(home, ring).save("openai-codex", TOKENS) == "the keyring"
    texts = [path.read_text() for path in home.logins_dir.iterdir()]
    [entry] = ring.entries.values()
    assert json.loads(entry)["secret"] == "access-1"
    assert not any("access-1" in text or "refresh-1" in text for text in texts)
    assert others(home, ring).place("openai-codex") == "keyring"


@pytest.mark.parametrize("ring", [None, Ring(there=False), Ring(refuses=True)], ids=["off", "none", "refuses"])
def test_without_a_keyring_that_takes_it_there_is_a_file(home: Home, ring: Ring | None) -> None:
    store = LoginStore(home, ring)
    assert store.save("groq", KEY) == str(home.logins_dir / "groq.json")
    assert (store.place("groq"), others(home, ring).load("groq")) == ("file", KEY)


@posix
def test_only_its_owner_can_read_the_file(home: Home) -> None:
    LoginStore(home).save("groq", KEY)
    assert stat.S_IMODE((home.logins_dir / "groq.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(home.logins_dir.stat().st_mode) == 0o700
    assert [path.name for path in home.logins_dir.iterdir()] == ["groq.json"]


@posix
def test_a_file_that_others_can_read_is_mended_with_a_warning(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    LoginStore(home).save("groq", KEY)
    path = home.logins_dir / "groq.json"
    path.chmod(0o644)
    with caplog.at_level(logging.WARNING):
        assert others(home).load("groq") == KEY
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert str(path) in caplog.text and "sk-very-secret" not in caplog.text


def test_a_keyring_is_read_once_until_somebody_saves_again(home: Home) -> None:
    ring = Ring()
    cli, proxy = LoginStore(home, ring), LoginStore(home, ring)
    cli.save("copilot", KEY)
    assert not proxy.at_hand("copilot")
    for _ in range(3):
        assert proxy.load("copilot") == KEY and proxy.at_hand("copilot")
    assert ring.reads == 1
    cli.save("copilot", TOKENS)
    assert not proxy.at_hand("copilot") and proxy.load("copilot") == TOKENS
    assert cli.delete("copilot")
    assert proxy.at_hand("copilot") and proxy.load("copilot") is None and ring.entries == {}


def test_who_saved_it_does_not_read_it_again(home: Home) -> None:
    ring = Ring()
    store = LoginStore(home, ring)
    store.save("copilot", TOKENS)
    assert store.at_hand("copilot") and store.load("copilot") == TOKENS and ring.reads == 0


def test_a_login_that_moves_from_the_file_to_the_keyring_leaves_no_copy(home: Home) -> None:
    LoginStore(home).save("groq", KEY)
    LoginStore(home, Ring()).save("groq", KEY)
    assert "sk-very-secret" not in (home.logins_dir / "groq.json").read_text()


def test_a_login_that_moves_out_of_the_keyring_leaves_no_copy_either(home: Home) -> None:
    ring = Ring()
    LoginStore(home, ring).save("groq", KEY)
    ring.there = False
    LoginStore(home, ring).save("groq", TOKENS)
    assert ring.entries == {} and others(home, ring).load("groq") == TOKENS


BROKEN = {
    "no JSON": "{",
    "no login": '{"provider": "groq", "place": "file", "kind": "key"}',
    "something else": '["sk-very-secret"]',
    "a wrong type": '{"kind": "key", "secret": 5}',
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_says_what_to_run_and_shows_nothing(home: Home, text: str) -> None:
    home.logins_dir.mkdir()
    (home.logins_dir / "groq.json").write_text(text)
    with pytest.raises(ConfigError, match="damaged; run: ringlet-mitm providers login groq") as caught:
        LoginStore(home).load("groq")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("ring", "reason"),
    [(None, "switched off"), (Ring(), "does not have it"), (Ring(refuses=True), "cannot be read: KeyringLocked")],
    ids=["switched off since", "emptied", "locked"],
)
def test_a_keyring_that_no_longer_gives_it(home: Home, ring: Ring | None, reason: str) -> None:
    LoginStore(home, Ring()).save("groq", KEY)
    with pytest.raises(ConfigError, match=reason):
        LoginStore(home, ring).load("groq")


def test_each_home_has_entries_of_its_own(tmp_path: Path) -> None:
    ring = Ring()
    usual, apart = home_of({"HOME": str(tmp_path)}), home_of({"RINGLET_HOME": str(tmp_path / "apart")})
    LoginStore(usual, ring).save("groq", KEY)
    LoginStore(apart, ring).save("groq", TOKENS)
    assert others(usual, ring).load("groq") == KEY and others(apart, ring).delete("groq")
    assert list(ring.entries) == ["groq"]


def test_provider_ids_are_listed_without_the_keyring(home: Home) -> None:
    ring = Ring()
    store = LoginStore(home, ring)
    for name in ("groq", "custom:https://Box.example/v1", "copilot"):
        store.save(name, KEY)
    assert others(home, ring).provider_ids() == ("copilot", "custom:https://Box.example/v1", "groq")
    assert ring.reads == 0


@given(st.lists(st.text(min_size=1, max_size=80), unique=True, max_size=6))
def test_every_provider_has_a_file_name_of_its_own(names: list[str]) -> None:
    stems = [file_stem(name).casefold() for name in (*names, *(f"custom:https://x/{name}" for name in names))]
    assert len(set(stems)) == len(stems)
    assert all(stem.isascii() and not set(stem) & set('/\\:*?"<>|. ') and len(stem) < 100 for stem in stems)


@pytest.mark.parametrize("view", [repr, str, lambda login: f"{[login]}"])
def test_no_view_shows_a_login(view: object) -> None:
    shown = view(TOKENS)  # type: ignore[operator]
    assert "access-1" not in shown and "refresh-1" not in shown and "acc" not in shown.replace("access", "")


def test_a_lock_is_over_all_processes_and_ends_with_its_holder(home: Home) -> None:
    script = (
        "import sys; from ringlet_mitm.addons.credentials.store import LoginStore;"
        "from ringlet_mitm.rules.home import home_of\n"
        "with LoginStore(home_of({'RINGLET_HOME': sys.argv[1]})).locked('copilot'):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, str(home.config)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stdout.readline() == "held\n"
        store = LoginStore(home)
        with pytest.raises(ConfigError, match="another process holds the login of 'copilot'"):
            store.locked("copilot", patience_s=0.0).__enter__()
        with store.locked("groq", patience_s=0.0):
            pass
        child.kill()
        child.wait()
        with store.locked("copilot", patience_s=5.0):
            pass


def test_threads_of_one_process_wait_for_each_other_too(home: Home) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        with LoginStore(home).locked("copilot"):
            inside.append(1)
            most.append(len(inside))
            inside.pop()

    threads = [Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 8


@pytest.mark.parametrize(
    ("expires_at", "spent"),
    [(None, False), (1000.0, True), (1119.0, True), (1121.0, False)],
    ids=["no end", "ended", "about to", "lasts"],
)
def test_a_token_is_spent_before_its_end(expires_at: float | None, spent: bool) -> None:
    assert Login("oauth", Secret("a"), expires_at=expires_at).spent(1000.0) is spent
