from __future__ import annotations

import os
import ssl
from pathlib import Path

import certifi
import pytest

from ringlet_mitm.addons import bundle as bundles
from ringlet_mitm.addons.authority import Authority, ensure, rotate

HOSTS = ("api.anthropic.com",)


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's list, as an administrator changes it."""
    file = tmp_path / "system.pem"
    file.write_bytes(Path(certifi.where()).read_bytes())
    monkeypatch.setattr(bundles, "SYSTEM_BUNDLES", (tmp_path / "none", file))
    return file


@pytest.fixture
def authority(tmp_path: Path, system: Path) -> Authority:
    return ensure(tmp_path / "ca", HOSTS)


def count(path: Path) -> int:
    return path.read_bytes().count(b"BEGIN CERTIFICATE")


def test_it_holds_the_systems_and_ours(authority: Authority, system: Path) -> None:
    ours = ssl.create_default_context(cafile=str(authority.bundle)).get_ca_certs()
    assert any(("organizationName", "ringlet-mitm") in pair for cert in ours for pair in cert["subject"])
    assert count(authority.bundle) == count(system) + 1
    assert authority.bundle.read_bytes().endswith(authority.certificate.read_bytes())


def test_a_system_without_a_list_gets_certifis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "SYSTEM_BUNDLES", (tmp_path / "none",))
    assert count(ensure(tmp_path / "ca", HOSTS).bundle) == count(Path(certifi.where())) + 1


def test_it_is_made_anew_when_the_systems_changes(authority: Authority, system: Path) -> None:
    blocks = system.read_bytes().split(b"-----END CERTIFICATE-----\n")
    system.write_bytes(b"-----END CERTIFICATE-----\n".join(blocks[:-3]) + b"-----END CERTIFICATE-----\n")
    ensure(authority.folder, HOSTS)
    assert count(authority.bundle) == count(system) + 1


def test_a_list_of_the_same_size_is_told_by_its_time(authority: Authority, system: Path) -> None:
    before = authority.bundle.read_bytes()
    os.utime(system, ns=(1, 1))
    ensure(authority.folder, HOSTS)
    assert authority.bundle.read_bytes() != before


def test_an_older_one_of_ours_that_the_system_trusts_is_left_out(authority: Authority, system: Path) -> None:
    """OpenSSL takes the first of a name, and it may not permit all hosts."""
    before = count(system)
    system.write_bytes(authority.certificate.read_bytes() + system.read_bytes())
    for changed in (ensure(authority.folder, ("new.example.net",)), rotate(authority.folder, HOSTS)):
        assert count(changed.bundle) == before + 1
        assert changed.bundle.read_bytes().endswith(changed.certificate.read_bytes())
