from __future__ import annotations

from pathlib import Path

import pytest

from ringlet_mitm.addons.credentials.secret import Secret
from ringlet_mitm.addons.credentials.store import Login, LoginStore
from ringlet_mitm.addons.credentials.vault import Vault
from ringlet_mitm.rules.errors import NoKey
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.keys import KeyRef, edition_of

REF = KeyRef(("GEMINI_API_KEY", "GOOGLE_API_KEY"))
ALL = KeyRef(("GROQ_API_KEY",), login="groq")
CONFIG = """\
api_key = "${OPENROUTER_KEY}"

[[model_routes]]
hint = "a"
api_key = "${FIRST:-fallback}"

[[model_routes]]
hint = "b"
api_key = "literal"
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return home_of({"RINGLET_HOME": str(tmp_path)})


def in_file(home: Home, *key: str | int, text: str = CONFIG, edition: str = "", login: str = "") -> KeyRef:
    home.config_file.write_text(text)
    return KeyRef(("OTHER",), login, str(home.config_file), key, edition)


@pytest.mark.parametrize(
    ("environ", "key", "label"),
    [
        ({"GEMINI_API_KEY": "first", "GOOGLE_API_KEY": "second"}, "first", "env:GEMINI_API_KEY"),
        ({"GOOGLE_API_KEY": "second"}, "second", "env:GOOGLE_API_KEY"),
        ({"GEMINI_API_KEY": "", "GOOGLE_API_KEY": "second"}, "second", "env:GOOGLE_API_KEY"),
        ({"GEMINI_API_KEY": "pasted\n"}, "pasted", "env:GEMINI_API_KEY"),
    ],
    ids=["first wins", "second where the first is missing", "empty is missing", "white space is dropped"],
)
def test_the_first_variable_that_is_set_wins(environ: dict[str, str], key: str, label: str) -> None:
    secret = Vault(environ).get(REF, "gemini")
    assert (secret.reveal(), secret.label) == (key, label)


def test_a_missing_key_says_what_to_set() -> None:
    with pytest.raises(NoKey, match="provider 'gemini': set GEMINI_API_KEY or GOOGLE_API_KEY"):
        Vault({}).get(REF, "gemini")


def test_a_missing_key_says_what_to_run_where_logins_are_kept(home: Home) -> None:
    with pytest.raises(NoKey, match=r"set GROQ_API_KEY .*; or run: ringlet-mitm providers login groq"):
        Vault({}, LoginStore(home)).get(ALL, "groq")
    with pytest.raises(NoKey, match="provider 'copilot': run: ringlet-mitm providers login copilot"):
        Vault({}, LoginStore(home)).get(KeyRef(login="copilot"), "copilot")


def test_a_variable_comes_before_a_login(home: Home) -> None:
    store = LoginStore(home)
    store.save("groq", Login("key", Secret("stored")))
    found = [Vault(environ, store).get(ALL, "groq") for environ in ({"GROQ_API_KEY": "set"}, {})]
    assert [(secret.reveal(), secret.label) for secret in found] == [
        ("set", "env:GROQ_API_KEY"),
        ("stored", "login:groq"),
    ]


@pytest.mark.parametrize(
    ("key", "environ", "text", "label"),
    [
        (("api_key",), {"OPENROUTER_KEY": " sk-or-1 "}, "sk-or-1", "config.toml:api_key"),
        (("model_routes", 0, "api_key"), {"FIRST": "f"}, "f", "config.toml:model_routes.0.api_key"),
        (("model_routes", 0, "api_key"), {}, "fallback", "config.toml:model_routes.0.api_key"),
        (("model_routes", 1, "api_key"), {}, "literal", "config.toml:model_routes.1.api_key"),
    ],
    ids=["a variable", "with a default that is not needed", "the default", "the key itself"],
)
def test_a_place_in_a_file_comes_first(
    home: Home, key: tuple[str | int, ...], environ: dict[str, str], text: str, label: str
) -> None:
    secret = Vault(environ | {"OTHER": "another account's"}).get(in_file(home, *key), "openrouter")
    assert (secret.reveal(), secret.label) == (text, label)


def test_a_variable_missing_in_a_file_is_named_with_its_place_and_nothing_else_is_taken(home: Home) -> None:
    ref, vault = in_file(home, "api_key"), Vault({"OTHER": "another account's"})
    assert vault.find(ref) is None
    with pytest.raises(NoKey, match=r"config\.toml:1: api_key: names the variable OPENROUTER_KEY, which is not set"):
        vault.get(ref, "openrouter")


@pytest.mark.parametrize("key", [("model_routes", 5, "api_key"), ("nothing",), ("model_routes",), ("api_key", "x")])
def test_a_place_without_a_key(home: Home, key: tuple[str | int, ...]) -> None:
    with pytest.raises(NoKey, match="there is no key here"):
        Vault({}).get(in_file(home, *key), "openrouter")


def test_a_file_that_is_gone(home: Home) -> None:
    ref = in_file(home, "api_key")
    home.config_file.unlink()
    with pytest.raises(NoKey, match="is gone"):
        Vault({}).get(ref, "openrouter")


def test_a_key_that_changes_in_the_file_is_read_again(home: Home) -> None:
    vault = Vault({})
    for text in ('api_key = "one"', 'api_key = "another"'):
        assert vault.get(in_file(home, "api_key", text=text), "x").reveal() == text.split('"')[1]


def test_rules_get_the_key_of_the_text_that_they_were_read_from(home: Home) -> None:
    """After an edit another provider's key may stand in the same place, while the old rules are still in force."""
    old, new = 'api_key = "of-groq"', 'api_key = "of-openai"'
    vault = Vault({})
    before = in_file(home, "api_key", text=old, edition=edition_of(old))
    assert vault.get(before, "groq").reveal() == "of-groq"
    after = in_file(home, "api_key", text=new, edition=edition_of(new))
    assert (vault.get(after, "openai").reveal(), vault.get(before, "groq").reveal()) == ("of-openai", "of-groq")
    with pytest.raises(NoKey, match="has just changed"):
        Vault({}).get(before, "groq")


def test_what_needs_the_keyring_is_not_at_hand(home: Home) -> None:
    store, environ = LoginStore(home), {"GROQ_API_KEY": "set"}
    assert Vault({}, store).at_hand(ALL)
    LoginStore(home).save("groq", Login("key", Secret("stored")))
    assert not Vault({}, store).at_hand(ALL)
    assert Vault(environ, store).at_hand(ALL) and Vault({}).at_hand(ALL)
    assert Vault({}, store).find(ALL) is not None and Vault({}, store).at_hand(ALL)


def test_no_view_shows_what_is_in_it(home: Home) -> None:
    assert "sk-secret" not in repr(Vault({"GROQ_API_KEY": "sk-secret"}, LoginStore(home)))
