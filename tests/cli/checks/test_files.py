"""Of profiles, and of the keys that rules need."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from ringlet_mitm.cli.checks import files
from ringlet_mitm.cli.checks.finding import State
from ringlet_mitm.cli.checks.scene import Scene, scene_of
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.profiles import Profile, save_profile

Made = Callable[..., Scene]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """`made(rules, profile, NAME=value…)`: what the doctor looks at."""
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")

    def make(rules: str = "", profile: Profile | None = None, **variables: str) -> Scene:
        environ = {"RINGLET_HOME": str(tmp_path), "HOME": str(tmp_path), "PATH": "", **variables}
        home = home_of(environ)
        save_profile(home, profile or Profile(name="work"))
        home.routing_file("work").write_text(rules)
        return scene_of(home, "work", environ)

    return make


def test_a_login_that_is_not_set(made: Made) -> None:
    scene = made(profile=Profile(name="work", proxyauth="WHO"))
    (found,) = files.profile(scene)
    assert (found.state, found.mend) == (State.BROKEN, "export WHO=USER:PASSWORD")
    (found,) = files.profile(made(profile=Profile(name="work", proxyauth="WHO"), WHO="me:secret"))
    assert found.state is State.OK


def test_a_profile_that_cannot_be_read(made: Made, tmp_path: Path) -> None:
    made()
    path = tmp_path / "profiles" / "work" / "profile.toml"
    path.write_text("prot = 1\n")
    environ = {"RINGLET_HOME": str(tmp_path), "HOME": str(tmp_path), "PATH": ""}
    (found,) = files.profile(scene_of(home_of(environ), "work", environ))
    assert (found.state, found.mend.endswith(f" {path}")) == (State.BROKEN, True)
    assert "did you mean 'port'" in found.words


class TestKeys:
    def test_none_is_needed(self, made: Made) -> None:
        (found,) = files.keys(made())
        assert (found.state, "none needed" in found.words) == (State.OK, True)

    def test_each_provider_once(self, made: Made) -> None:
        rules = '[[rule]]\nmatch = { stream = true }\nto = "groq"\n\n[default]\nto = "openai"\nfallback = ["groq"]\n'
        found = list(files.keys(made(rules, GROQ_API_KEY="gsk_x", OPENAI_API_KEY="sk-x")))
        assert [one.words for one in found] == ["groq: env:GROQ_API_KEY", "openai: env:OPENAI_API_KEY"]

    def test_the_profiles_own(self, made: Made) -> None:
        profile = Profile(name="work", key_env={"groq": "WORK_KEY"})
        rules = '[default]\nto = "groq"\n'
        (found,) = files.keys(made(rules, profile, GROQ_API_KEY="gsk_x"))
        assert (found.state, "WORK_KEY" in found.words) == (State.BROKEN, True)
        (found,) = files.keys(made(rules, profile, WORK_KEY="gsk_y"))
        assert found.words == "groq: env:WORK_KEY"

    @pytest.mark.parametrize("fallback", ["", 'fallback = ["passthrough"]\n'], ids=["alone", "with a fallback"])
    def test_a_local_server(self, made: Made, fallback: str) -> None:
        rules = f'[default]\nto = "ollama"\n{fallback}'
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = f"127.0.0.1:{server.getsockname()[1]}"
            (found,) = files.keys(made(rules, OLLAMA_HOST=address))
            assert found.state is State.OK
        (found,) = files.keys(made(rules, OLLAMA_HOST=address))
        assert (found.state, found.mend) == (State.WARNING if fallback else State.BROKEN, "ollama serve")

    def test_one_on_another_machine_is_not_asked(self, made: Made) -> None:
        (found,) = files.keys(made('[default]\nto = "ollama"\n', OLLAMA_HOST="http://192.0.2.1:11434"))
        assert found.state is State.OK
