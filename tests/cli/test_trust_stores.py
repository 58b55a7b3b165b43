"""Which commands there are for which machine, and that NSS's do what they should."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ringlet_mitm.addons.authority import Authority, ensure, rotate
from ringlet_mitm.cli import trust_stores as module
from ringlet_mitm.cli.trust_stores import DISTRIBUTIONS, Held, anchored, database, keychain, trust_stores, windows

CERTIFICATE, USER = Path("/home/you/ca.pem"), Path("/home/you")
HOSTS = ("api.anthropic.com",)

needs_certutil = pytest.mark.skipif(shutil.which("certutil") is None, reason="NSS's certutil is not installed")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return ensure(tmp_path / "ca", HOSTS)


def lines(steps: tuple[module.Step, ...]) -> list[str]:
    return [str(step) for step in steps]


@pytest.mark.parametrize(
    ("distribution", "user_id", "install", "uninstall"),
    [
        (
            "Debian, Ubuntu, Alpine",
            1000,
            [
                "sudo install -m 0644 /home/you/ca.pem /usr/local/share/ca-certificates/ringlet-mitm.crt",
                "sudo update-ca-certificates",
            ],
            ["sudo rm -f /usr/local/share/ca-certificates/ringlet-mitm.crt", "sudo update-ca-certificates --fresh"],
        ),
        (
            "Fedora, RHEL",
            0,
            [
                "install -m 0644 /home/you/ca.pem /etc/pki/ca-trust/source/anchors/ringlet-mitm.pem",
                "update-ca-trust extract",
            ],
            ["rm -f /etc/pki/ca-trust/source/anchors/ringlet-mitm.pem", "update-ca-trust extract"],
        ),
    ],
)
def test_linux(
    distribution: str, user_id: int, install: list[str], uninstall: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.os, "geteuid", lambda: user_id)
    monkeypatch.setattr(module, "JAVA_STORE", Path("/none"))
    store = anchored(next(kind for kind in DISTRIBUTIONS if kind.distribution == distribution), CERTIFICATE)
    assert (lines(store.install), lines(store.uninstall)) == (install, uninstall)


@pytest.mark.skipif(shutil.which("keytool") is None, reason="no Java")
def test_java_keeps_what_debian_gave_it_unless_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (store_file := tmp_path / "cacerts").touch()
    monkeypatch.setattr(module, "JAVA_STORE", store_file)
    last = anchored(DISTRIBUTIONS[0], CERTIFICATE).uninstall[-1]
    assert str(store_file) in last.words
    assert last.words[-1] == "debian:ringlet-mitm.pem"
    assert last.may_fail


def test_macos_asks_the_persons_own_keychain() -> None:
    (store,) = keychain(CERTIFICATE, USER)
    chain = "/home/you/Library/Keychains/login.keychain-db"
    remove = f"security delete-certificate -c ringlet-mitm -t {chain} || true"
    assert lines(store.install) == [
        remove,
        f"security add-trusted-cert -r trustRoot -p ssl -k {chain} /home/you/ca.pem",
    ]
    assert lines(store.uninstall) == [remove]


def test_windows_asks_the_persons_own_store() -> None:
    (store,) = windows(CERTIFICATE, USER)
    assert [step.words[:3] for step in store.install] == [
        ("certutil", "-user", "-delstore"),
        ("certutil", "-user", "-addstore"),
    ]
    assert store.held(CERTIFICATE) is Held.NOTHING  # here, where there is none


def test_a_file_that_is_there_is_looked_into(authority: Authority, tmp_path: Path) -> None:
    anchors = module.Anchors("any", str(tmp_path), ".crt", ("true",), ("true",))
    store, file = anchored(anchors, authority.certificate), tmp_path / "ringlet-mitm.crt"
    assert store.held(authority.certificate) is Held.NOTHING
    file.write_bytes(authority.certificate.read_bytes())
    assert store.held(authority.certificate) is Held.THIS
    rotate(authority.folder, HOSTS)
    assert store.held(authority.certificate) is Held.OLDER


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        (".pki/nssdb", "Chromium"),
        (".mozilla/firefox/abcd1234.default-release", "Firefox"),
        ("snap/firefox/common/.mozilla/firefox/abcd1234.default", "Firefox"),
    ],
)
@needs_certutil
def test_a_browsers_database_is_found(folder: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHROMIUMS", ())
    (tmp_path / folder).mkdir(parents=True)
    assert [store for store in trust_stores(CERTIFICATE, tmp_path) if store.kind == "browsers"] == []
    (tmp_path / folder / "cert9.db").touch()
    found = [store.name for store in trust_stores(CERTIFICATE, tmp_path) if store.kind == "browsers"]
    assert found == [f"{name} ({tmp_path / folder})"]


@needs_certutil
def test_a_database_takes_ours_and_gives_it_up(authority: Authority, tmp_path: Path) -> None:
    store = database("Chromium", tmp_path / "with space" / "nssdb", authority.certificate)
    assert store.held(authority.certificate) is Held.NOTHING
    for step in store.install:
        subprocess.run(step.words, check=not step.may_fail, capture_output=True)
    assert store.held(authority.certificate) is Held.THIS
    rotate(authority.folder, HOSTS)
    assert store.held(authority.certificate) is Held.OLDER
    for step in database("Chromium", tmp_path / "with space" / "nssdb", authority.certificate).install:
        subprocess.run(step.words, check=not step.may_fail, capture_output=True)
    assert store.held(authority.certificate) is Held.THIS
    for step in store.uninstall:
        subprocess.run(step.words, check=True, capture_output=True)
    assert store.held(authority.certificate) is Held.NOTHING
