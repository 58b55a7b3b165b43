"""`env`: what shells make of what it prints."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from ringlet_mitm.cli.env import command
from ringlet_mitm.cli.shell import SHELLS
from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.profiles import Profile, save_profile
from ringlet_mitm.rules.variables import BEFORE, CERTIFICATES, Point, variables_of

# A folder that a careless quoting would take apart.
AWKWARD = 'it\'s $HOME `x` "y" \\z; echo'
OURS = ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "NODE_USE_ENV_PROXY", BEFORE, *CERTIFICATES)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    root = tmp_path / AWKWARD
    monkeypatch.setenv("RINGLET_HOME", str(root))
    monkeypatch.setenv("SHELL", "/bin/bash")
    for name in OURS:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    home = home_of({"RINGLET_HOME": str(root)})
    home.ca_dir.mkdir(parents=True)
    for name in ("mitmproxy-ca-cert.pem", "bundle.pem"):
        (home.ca_dir / name).write_text("")
    save_profile(home, Profile(name="work", port=9001))
    return home


def call(*words: str) -> str:
    done = CliRunner().invoke(command, words, catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def point(home: Home, url: str = "http://127.0.0.1:9001") -> Point:
    return Point(url, home.ca_dir / "mitmproxy-ca-cert.pem", home.ca_dir / "bundle.pem")


PROGRAM = f"{sys.executable} -m ringlet_mitm.cli.main"
PRINT = f"{sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
# How a person runs `env` in each, as its help says.
APPLIED = {
    "bash": 'eval "$({})"',
    "zsh": 'eval "$({})"',
    "fish": "{} | source",
    "powershell": "{} | Out-String | Invoke-Expression",
}


def after(shell: str, script: str) -> dict[str, str]:
    """The environment of a program that is started after `script`."""
    found = shutil.which("pwsh" if shell == "powershell" else shell)
    if found is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run((found, "-c", f"{script}\n{PRINT}"), capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    return dict(json.loads(done.stdout))


def applied(shell: str, *words: str) -> str:
    return APPLIED[shell].format(f"{PROGRAM} env --shell {shell} {' '.join(words)}")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_sets_exactly_these(home: Home, shell: str) -> None:
    environ = after(shell, call("--profile", "work", "--shell", shell))
    expected = variables_of(None, point(home), os.environ)
    assert {name: environ.get(name) for name in expected} == expected


@pytest.mark.parametrize("shell", SHELLS)
def test_unset_puts_back_what_was_there(home: Home, shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"NO_PROXY": "corp.example", "https_proxy": "http://it's $x:1", "SSL_CERT_FILE": "/no"}.items():
        monkeypatch.setenv(name, value)
    shown = after(shell, f"{call('--shell', shell)}\n{applied(shell, '--unset')}")
    both = {name.lower() for name in OURS}
    assert {name: value for name, value in shown.items() if name.lower() in both} == {
        "NO_PROXY": "corp.example",
        "https_proxy": "http://it's $x:1",
        "SSL_CERT_FILE": "/no",
    }


def test_unset_where_nothing_is_set(home: Home) -> None:
    done = CliRunner().invoke(command, ["--unset"])
    assert (done.exit_code, done.stdout) == (0, "")
    assert "nothing of ringlet-mitm is set" in done.stderr


def test_only_what_an_agent_needs(home: Home) -> None:
    names = {line.removeprefix("export ").partition("=")[0] for line in call("--agent", "codex").splitlines()}
    assert names == {"HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "CODEX_CA_CERTIFICATE", BEFORE}


def test_what_another_agent_needed_goes(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for line in call("--agent", "claude").splitlines():
        name, _, value = line.removeprefix("export ").partition("=")
        monkeypatch.setenv(name, value.strip("'").replace("'\"'\"'", "'"))
    said = call("--agent", "codex")
    assert "unset NODE_EXTRA_CA_CERTS\n" in said
    assert "unset HTTPS_PROXY" not in said


def test_an_agent_that_nobody_knows(home: Home) -> None:
    with pytest.raises(UsageError, match="is it 'claude'"):
        call("--agent", "cluade")


def test_hosts_of_no_proxy_stay(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "corp.example, localhost,,10.0.0.0/8")
    assert "export NO_PROXY=localhost,127.0.0.1,::1,corp.example,10.0.0.0/8\n" in call()


def test_own_certificates_stay_trusted(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    theirs = "-----BEGIN CERTIFICATE-----\nCORP\n-----END CERTIFICATE-----"
    (tmp_path / "corp.pem").write_text(f"# the office's\n{theirs}\n")
    (home.ca_dir / "bundle.pem").write_text("OURS\n")
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", str(tmp_path / "corp.pem"))
    environ = after("bash", call("--agent", "claude"))
    named = Path(environ["NODE_EXTRA_CA_CERTS"])
    assert named.read_text() == f"OURS\n{theirs}\n"
    assert named.parent == home.ca_dir
    assert (home.ca_dir / "bundle.pem").read_text() == "OURS\n"


@pytest.mark.parametrize(
    ("host", "url"),
    [("::1", "http://[::1]:9001"), ("0.0.0.0", "http://127.0.0.1:9001"), ("localhost", "http://localhost:9001")],
)
def test_addresses(home: Home, host: str, url: str) -> None:
    save_profile(home, Profile(name="work", host=host, port=9001))
    assert f"export HTTPS_PROXY={url}\n" in call().replace("'", "")


def test_another_port_is_taken_when_said(home: Home) -> None:
    assert "export HTTPS_PROXY=http://127.0.0.1:7\n" in call("--port", "7")


@pytest.mark.parametrize(
    ("login_shell", "first"),
    [
        ("/usr/bin/fish", "set -gx HTTPS_PROXY"),
        ("/bin/zsh", "export HTTPS_PROXY"),
        ("/bin/dash", "export HTTPS_PROXY"),
        ("", ""),
    ],
)
def test_the_shell_is_found_out(home: Home, monkeypatch: pytest.MonkeyPatch, login_shell: str, first: str) -> None:
    monkeypatch.setenv("SHELL", login_shell)
    assert call().startswith(first)


def test_without_a_name_the_only_profile_is_meant(home: Home) -> None:
    assert call() == call("--profile", "work")
    save_profile(home, Profile(name="play"))
    with pytest.raises(UsageError, match="there are play, work"):
        call()


def test_no_profile_yet_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RINGLET_HOME", str(tmp_path))
    with pytest.raises(UsageError, match="ringlet-mitm --profile NAME"):
        call()


def test_certificates_are_made_where_the_proxy_has_not_yet(home: Home) -> None:
    for path in home.ca_dir.iterdir():
        path.unlink()
    call()
    assert b"BEGIN CERTIFICATE" in (home.ca_dir / "mitmproxy-ca-cert.pem").read_bytes()
    assert (home.ca_dir / "bundle.pem").read_bytes().endswith((home.ca_dir / "mitmproxy-ca-cert.pem").read_bytes())
