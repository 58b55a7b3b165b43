"""`env`: what shells make of what it prints."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from ringlet_mitm.cli.shell import SHELLS, command, variables
from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.profiles import Profile, save_profile

# A folder that a careless quoting would take apart.
AWKWARD = 'it\'s $HOME `x` "y" \\z; echo'


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    root = tmp_path / AWKWARD
    monkeypatch.setenv("RINGLET_HOME", str(root))
    monkeypatch.setenv("SHELL", "/bin/bash")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
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


def expected(home: Home, url: str = "http://127.0.0.1:9001") -> dict[str, str]:
    return variables(url, home.ca_dir / "mitmproxy-ca-cert.pem", home.ca_dir / "bundle.pem", "")


PRINT = f"{sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"


def after(shell: str, script: str) -> dict[str, str]:
    """The environment of a program that is started after `script`."""
    found = shutil.which("pwsh" if shell == "powershell" else shell)
    if found is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run((found, "-c", f"{script}\n{PRINT}"), capture_output=True, text=True, timeout=60, check=True)
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_sets_exactly_these(home: Home, shell: str) -> None:
    environ = after(shell, call("--profile", "work", "--shell", shell))
    assert {name: environ.get(name) for name in expected(home)} == expected(home)


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("bash", "export X='it'\"'\"'s $a'"),
        ("fish", "set -gx X 'it\\'s $a';"),
        ("powershell", "$env:X = 'it''s $a'"),
    ],
)
def test_quoting(shell: str, line: str) -> None:
    assert SHELLS[shell].set("X", "it's $a") == line


@pytest.mark.parametrize("shell", SHELLS)
def test_unset_takes_them_back(home: Home, shell: str) -> None:
    both = call("--profile", "work", "--shell", shell) + call("--unset", "--shell", shell)
    assert set(after(shell, both)) & set(expected(home)) == set()


def test_eval_as_in_the_readme(home: Home) -> None:
    program = f"{sys.executable} -c 'from ringlet_mitm.cli.main import main; main()'"
    environ = after("bash", f'eval "$({program} env --profile work)"')
    assert environ["HTTPS_PROXY"] == "http://127.0.0.1:9001"
    assert environ["SSL_CERT_FILE"] == str(home.ca_dir / "bundle.pem")


def test_everything_that_agents_need_is_there() -> None:
    values = variables("http://127.0.0.1:1", Path("/ca.pem"), Path("/bundle.pem"), "")
    assert values["HTTPS_PROXY"] == values["https_proxy"] == values["HTTP_PROXY"] == values["http_proxy"]
    assert values["NO_PROXY"] == values["no_proxy"] == "localhost,127.0.0.1,::1"
    assert values["NODE_EXTRA_CA_CERTS"] == "/ca.pem"
    assert values["SSL_CERT_FILE"] == values["CODEX_CA_CERTIFICATE"] == values["REQUESTS_CA_BUNDLE"] == "/bundle.pem"
    assert values["NODE_USE_ENV_PROXY"] == "1"
    assert "GIT_SSL_CAINFO" not in values


def test_hosts_of_no_proxy_stay(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "corp.example, localhost,,10.0.0.0/8")
    assert "export NO_PROXY=localhost,127.0.0.1,::1,corp.example,10.0.0.0/8\n" in call()


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
