"""`providers login` and `logout` with keys, in process; sign-ins are in tests/whole/test_logins.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ringlet_mitm.addons.credentials.login import Login
from ringlet_mitm.addons.credentials.secret import Secret
from ringlet_mitm.addons.credentials.store import LoginStore
from ringlet_mitm.cli import logins
from ringlet_mitm.cli.providers import command
from ringlet_mitm.rules.errors import RingletError
from ringlet_mitm.rules.home import Home, home_of

KEY = "gsk_of-the-person-5e1f0a7c9b3d2468"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    monkeypatch.setenv("RINGLET_HOME", str(tmp_path))
    monkeypatch.setenv("RINGLET_KEYRING", "0")
    return home_of({"RINGLET_HOME": str(tmp_path)})


def call(*words: str, stdin: str = "") -> Result:
    """What it says; no key is ever in it."""
    done = CliRunner().invoke(command, words, input=stdin)
    if done.exception is not None and not isinstance(done.exception, SystemExit | RingletError):
        raise done.exception
    assert stdin.strip() == "" or stdin.strip() not in done.output
    return done


@pytest.mark.parametrize(
    ("name", "stored_as", "key"),
    [
        ("GROQ", "groq", KEY),
        ("grok", "xai", "xai-of-the-person-8e1d"),
        ("custom:https://llm.example.com/v1", "custom:https://llm.example.com/v1", "key-of-the-person-8e1d"),
    ],
    ids=["any case", "an alias", "a URL"],
)
def test_a_key_is_stored_under_the_providers_name(name: str, stored_as: str, key: str, home: Home) -> None:
    done = call("login", name, "--stdin", stdin=f" '{key}' \n")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith(f"stored the key of '{stored_as}' in {home.logins_dir}")
    assert LoginStore(home).load(stored_as) == Login("key", Secret(key))
    assert call("logout", name).stdout == f"deleted the key of '{stored_as}'\n"
    assert LoginStore(home).provider_ids() == ()


@pytest.mark.parametrize(
    ("words", "stdin", "match"),
    [
        (("groq",), "", "no terminal to ask for the key; pipe it into:  providers login groq --stdin"),
        (("groq", "--stdin"), "\n", "no key was given"),
        (("groq", "--stdin"), "two words\n", "no blanks"),
        (("groq", "--stdin"), "clé\n", "ASCII"),
        (("ollama", "--stdin"), "x\n", "'ollama' needs no key"),
        (("copilot", "--stdin"), "x\n", "takes no key but a sign-in"),
        (("grok-q", "--stdin"), "x\n", "unknown provider 'grok-q'"),
    ],
    ids=["no terminal", "empty", "two words", "not ASCII", "keyless", "a sign-in", "unknown"],
)
def test_what_is_no_key(words: tuple[str, ...], stdin: str, match: str, home: Home) -> None:
    done = CliRunner().invoke(command, ("login", *words), input=stdin)
    assert isinstance(done.exception, RingletError)
    assert match in str(done.exception)
    assert LoginStore(home).provider_ids() == ()


def test_another_vendors_key_is_warned_of_and_stored(home: Home) -> None:
    done = call("login", "groq", "--stdin", stdin="sk-ant-api03-of-the-person-77aa")
    assert done.exit_code == 0
    assert done.stderr.startswith("warning: this key is a key of Anthropic")
    assert LoginStore(home).provider_ids() == ("groq",)


def test_a_provider_that_lacks_a_variable_takes_its_key_already(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLOUDFLARE_ACCOUNT_ID", raising=False)
    assert call("login", "cloudflare", "--stdin", stdin="key-of-the-person").exit_code == 0


def test_a_variable_that_comes_first_is_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "gsk_other")
    done = call("login", "groq", "--stdin", stdin=KEY)
    assert done.stdout.splitlines()[1] == "note: the key from env:GROQ_API_KEY comes first while it is set"
    assert call("logout", "groq").stdout.splitlines() == [
        "deleted the key of 'groq'",
        "note: the key from env:GROQ_API_KEY is still set, and is used",
    ]


def test_logout_of_a_provider_whose_file_is_gone(home: Home) -> None:
    home.providers_dir.mkdir()
    file = home.providers_dir / "lan.toml"
    file.write_text('name = "lan"\nshape = "openai"\nendpoint = "https://lan.example/v1"\nkey-env = "LAN_KEY"')
    assert call("login", "lan", "--stdin", stdin=KEY).exit_code == 0
    file.unlink()
    assert call("logout", "lan").stdout == "deleted the key of 'lan'\n"


def test_logout_deletes_what_is_damaged(home: Home) -> None:
    home.logins_dir.mkdir()
    (home.logins_dir / "copilot.json").write_text("{")
    assert call("logout", "copilot").stdout == "deleted the key of 'copilot'\n"
    assert LoginStore(home).provider_ids() == ()


@pytest.mark.parametrize(
    ("tty", "platform", "environ", "opens"),
    [
        (True, "linux", {"DISPLAY": ":0"}, True),
        (True, "linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        (True, "darwin", {}, True),
        (True, "linux", {}, False),
        (True, "darwin", {"SSH_CONNECTION": "1 2 3 4"}, False),
        (False, "darwin", {}, False),
    ],
    ids=["X11", "Wayland", "macOS", "no screen", "over SSH", "output into a pipe"],
)
def test_when_a_browser_is_opened(
    tty: bool, platform: str, environ: dict[str, str], opens: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(logins.sys, "platform", platform)
    monkeypatch.setattr(logins.sys.stdout, "isatty", lambda: tty)
    assert logins.has_browser() is opens
