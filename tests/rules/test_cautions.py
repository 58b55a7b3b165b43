"""How keys are kept in config.toml: who may read them, and which variables are missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from ringlet_mitm.rules.cautions import key_cautions
from ringlet_mitm.rules.home import Home, home_of

LITERAL = 'api_key = "sk-ant-secretsecretsecret"\n'
BY_NAME = 'api_key = "${GROQ_KEY}"\n'


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return home_of({"RINGLET_HOME": str(tmp_path / "a home")})


def said(home: Home, text: str, mode: int = 0o600, **environ: str) -> list[str]:
    home.config.mkdir(exist_ok=True)
    home.config_file.write_text(text)
    home.config_file.chmod(mode)
    return [line.removeprefix(str(home.config_file)) for line in key_cautions(home.config_file, environ)]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_key_that_others_may_read_has_the_command_that_mends_it(home: Home, mode: int) -> None:
    (line,) = said(home, LITERAL, mode)
    assert line == f": holds a key, and others on this machine may read it; run: chmod 600 '{home.config_file}'"


@pytest.mark.parametrize(
    ("text", "mode"), [(LITERAL, 0o600), (LITERAL, 0o400), (BY_NAME, 0o644), ("", 0o644), ('x = "sk-ant-x"\n', 0o644)]
)
def test_nothing_is_said_of_what_is_kept_well(home: Home, text: str, mode: int) -> None:
    assert said(home, text, mode, GROQ_KEY="k") == []


@pytest.mark.parametrize(
    "text",
    [
        '[[model_routes]]\nhint = "a"\napi-key = "sk-x"\n',
        '[reliability]\napi_keys = ["${A}", "sk-x"]\n',
        'api_key = "${A:-sk-x}"\n',
    ],
)
def test_any_key_counts(home: Home, text: str) -> None:
    assert "chmod 600" in said(home, text, 0o644, A="1")[0]


def test_variables_that_are_not_set_are_named_with_their_line(home: Home) -> None:
    text = f'{BY_NAME}[[model_routes]]\nhint = "a"\nprovider = "groq"\napi_key = "${{A}}${{B}}"\n'
    assert said(home, text) == [
        ":1: api_key: GROQ_KEY is not set where ringlet-mitm runs",
        ":5: model_routes.api_key: A and B are not set where ringlet-mitm runs",
    ]


def test_a_variables_name_is_not_a_key(home: Home) -> None:
    assert said(home, 'api_key = "GROQ_API_KEY"\n') == [
        ':1: api_key: is taken for the key itself; for the variable, write "${GROQ_API_KEY}"'
    ]


@pytest.mark.parametrize("text", ["not toml", 'api_key = "${"\n'])
def test_a_broken_file_is_others_matter(home: Home, text: str) -> None:
    assert said(home, text, 0o644) == []


def test_without_a_file_there_is_nothing_to_say(home: Home) -> None:
    assert key_cautions(home.config_file, {}) == ()
