from __future__ import annotations

import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from mitmproxy.certs import CertStore

from ringlet_mitm.addons.authority import SYSTEM_BUNDLES, Authority, ensure


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return ensure(tmp_path_factory.mktemp("home") / "config" / "ca")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_nobody_else_can_read_it(made: Authority) -> None:
    assert mode(made.folder) == 0o700
    keys = [path for path in made.folder.iterdir() if b"PRIVATE KEY" in path.read_bytes()]
    assert keys
    assert {mode(path) for path in keys} == {0o600}


def test_its_certificate_is_an_authoritys_and_ours(made: Authority) -> None:
    found = x509.load_pem_x509_certificate(made.certificate.read_bytes())
    assert found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert "ringlet-mitm" in found.subject.rfc4514_string()
    assert b"PRIVATE KEY" not in made.certificate.read_bytes()


def test_it_is_the_one_that_mitmproxy_takes_from_that_folder(made: Authority) -> None:
    store = CertStore.from_store(made.folder, "mitmproxy", 2048)
    found = x509.load_pem_x509_certificate(made.certificate.read_bytes())
    assert store.default_ca.to_pem() == found.public_bytes(Encoding.PEM)


def test_the_bundle_holds_the_systems_and_ours(made: Authority) -> None:
    ours = ssl.create_default_context(cafile=str(made.bundle)).get_ca_certs()
    assert any(("organizationName", "ringlet-mitm") in pair for cert in ours for pair in cert["subject"])
    assert len(ours) > 20
    assert made.bundle.read_bytes().endswith(made.certificate.read_bytes())


def test_a_second_start_changes_nothing(made: Authority) -> None:
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in made.folder.iterdir()}
    assert ensure(made.folder) == made
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in made.folder.iterdir()} == before


def test_a_system_without_a_bundle_gets_certifis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert SYSTEM_BUNDLES
    monkeypatch.setattr("ringlet_mitm.addons.authority.SYSTEM_BUNDLES", (tmp_path / "none",))
    assert ensure(tmp_path / "ca").bundle.read_bytes().count(b"BEGIN CERTIFICATE") > 20


def test_a_folder_that_was_open_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    folder.mkdir(mode=0o755)
    ensure(folder)
    assert mode(folder) == 0o700
