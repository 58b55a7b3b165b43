"""`ca`: what is shown, and that nothing is installed without being asked for."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography import x509

from ringlet_mitm.addons.authority import authority_in
from ringlet_mitm.addons.usage.snapshot import Snapshot, file_of, write
from ringlet_mitm.cli import authority as module
from ringlet_mitm.cli.authority import command
from ringlet_mitm.cli.trust_stores import Anchors, anchored
from ringlet_mitm.rules.errors import RingletError, UsageError
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.profiles import Profile, save_profile


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home with one profile, and a machine with one list: a folder and a program that notes its calls."""
    monkeypatch.setenv("RINGLET_HOME", str(tmp_path / "home"))
    found = home_of(os.environ)
    save_profile(found, Profile(name="work", intercept=("llm.example.net",)))
    (anchors := tmp_path / "anchors").mkdir()
    kind = Anchors("a test's", str(anchors), ".crt", ("touch", str(tmp_path / "refreshed")), ("true",))
    monkeypatch.setattr(module, "trust_stores", lambda certificate, _: (anchored(kind, certificate),))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("ringlet_mitm.cli.trust_stores.JAVA_STORE", tmp_path / "none")
    return found


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    return tmp_path / "anchors" / "ringlet-mitm.crt"


def call(*words: str, answer: str = "") -> Result:
    return CliRunner().invoke(command, words, input=answer, catch_exceptions=False)


def certificate(home: Home) -> x509.Certificate:
    return x509.load_pem_x509_certificate(authority_in(home.ca_dir).certificate.read_bytes())


def test_show_says_where_it_is_and_for_whom_it_speaks(home: Home) -> None:
    said = call("show").output
    assert str(authority_in(home.ca_dir).certificate) in said
    assert "llm.example.net" in said
    assert "no list has it" in said
    assert "no longer" not in said


def test_show_for_programs(home: Home) -> None:
    facts = json.loads(call("show", "--json").output)
    assert facts["sha256"].replace(":", "").lower() == certificate(home).fingerprint(module.hashes.SHA256()).hex()
    assert "api.anthropic.com" in facts["hosts"]
    assert list(facts["trusted_by"].values()) == ["no"]


def test_show_says_what_is_not_intercepted_any_more(home: Home) -> None:
    call("show")
    save_profile(home, Profile(name="work"))
    assert json.loads(call("show", "--json").output)["no_longer_intercepted"] == ["llm.example.net"]
    assert "llm.example.net: not intercepted any more" in call("show").output
    assert call("rotate", "-y").exit_code == 0
    assert "llm.example.net" not in call("show").output


@pytest.mark.parametrize("words", [("install",), ("install", "system")])
def test_install_explains_and_asks(words: tuple[str, ...], home: Home, installed: Path) -> None:
    done = call(*words, answer="n\n")
    assert "Agents need none of this" in done.output
    assert f"install -m 0644 {authority_in(home.ca_dir).certificate} {installed}" in done.output
    assert not installed.exists()
    assert call(*words, answer="y\n").exit_code == 0
    assert installed.read_bytes() == authority_in(home.ca_dir).certificate.read_bytes()
    assert (installed.parents[1] / "refreshed").exists()
    assert "trusts it already" in call(*words).output
    assert "yes" in call("show").output


def test_print_only_prints(home: Home, installed: Path) -> None:
    said = call("install", "--print").output
    assert said.splitlines()[0] == f"install -m 0644 {authority_in(home.ca_dir).certificate} {installed}"
    assert not installed.exists()
    call("install", "-y")
    assert call("uninstall", "--print").output.splitlines()[0] == f"rm -f {installed}"
    assert installed.exists()


def test_uninstall_takes_it_out(home: Home, installed: Path) -> None:
    call("install", "-y")
    assert "nothing to take away" not in call("uninstall", answer="n\n").output
    assert installed.exists()
    assert call("uninstall", "-y").exit_code == 0
    assert not installed.exists()
    assert "nothing to take away" in call("uninstall").output


def test_a_command_that_fails_is_said(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kind = Anchors("a test's", str(tmp_path / "nowhere" / "at all"), ".crt", ("true",), ("true",))
    monkeypatch.setattr(module, "trust_stores", lambda certificate, _: (anchored(kind, certificate),))
    with pytest.raises(RingletError, match=r"the system's list.*`install -m 0644 .*` failed with code 1"):
        call("install", "-y")


def test_where_there_is_no_list_it_says_what_to_do(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "trust_stores", lambda *_: ())
    with pytest.raises(UsageError, match=r"libnss3-tools.*The certificate is .*mitmproxy-ca-cert\.pem"):
        call("install", "browsers")


def test_rotate_asks_and_says_who_has_to_be_restarted(home: Home) -> None:
    call("install", "-y")
    old = certificate(home)
    times = dict.fromkeys(("started_us", "written_us", "day_us", "day_ends_us"), 1)
    snapshot = Snapshot(profile="work", pid=os.getpid(), address="127.0.0.1:9001", **times)
    home.snapshots_dir.mkdir(parents=True)
    write(file_of(home.snapshots_dir, "work", os.getpid()), snapshot)
    done = call("rotate", answer="n\n")
    assert done.exit_code == 1
    assert certificate(home) == old
    assert f"restart the proxy of profile 'work' (process {os.getpid()}, 127.0.0.1:9001)" in done.output
    assert "restart every agent that runs" in done.output
    assert (
        "the system's list, for all users (a test's) trusts the old one: ringlet-mitm ca install system" in done.output
    )
    assert call("rotate", "-y").exit_code == 0
    assert certificate(home).public_key() != old.public_key()
    assert "an older certificate" in call("show").output


@pytest.mark.skipif(shutil.which("update-ca-certificates") is None, reason="not Debian")
def test_this_machine_has_a_list(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("RINGLET_HOME", str(home.config))
    said = call("install", "system", "--print").output
    assert "/usr/local/share/ca-certificates/ringlet-mitm.crt" in said
    assert "update-ca-certificates" in said
