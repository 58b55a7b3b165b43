from __future__ import annotations

import datetime
import multiprocessing
import ssl
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from mitmproxy.certs import CertStore

from ringlet_mitm.addons import authority as module
from ringlet_mitm.addons.authority import Authority, Change, authority_in, certificate_of, ensure, rotate
from ringlet_mitm.addons.ca_certificate import LIFE, Permitted
from ringlet_mitm.rules.errors import ConfigError

HOSTS = ("api.anthropic.com", "*.example.com")
FORK = multiprocessing.get_context("fork" if sys.platform == "linux" else None)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return ensure(tmp_path_factory.mktemp("home") / "config" / "ca", HOSTS)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def certificate(authority: Authority) -> x509.Certificate:
    return x509.load_pem_x509_certificate(authority.certificate.read_bytes())


def hosts(authority: Authority) -> tuple[str, ...]:
    permitted = Permitted.by(certificate(authority))
    assert permitted is not None
    return permitted.hosts()


def test_nobody_else_can_read_it(made: Authority) -> None:
    assert mode(made.folder) == 0o700
    assert {path.name: mode(path) for path in made.folder.iterdir() if mode(path) != 0o600} == {}
    keys = [path for path in made.folder.iterdir() if b"PRIVATE KEY" in path.read_bytes()]
    assert keys == [made.key]


def test_its_certificate_is_an_authoritys_and_ours(made: Authority) -> None:
    found = certificate(made)
    assert found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert "ringlet-mitm" in found.subject.rfc4514_string()
    assert b"PRIVATE KEY" not in made.certificate.read_bytes()
    assert hosts(made) == ("api.anthropic.com", "example.com")


def test_it_is_the_one_that_mitmproxy_takes_from_that_folder(made: Authority) -> None:
    store = CertStore.from_store(made.folder, "mitmproxy", 2048)
    assert store.default_ca.to_pem() == made.certificate.read_bytes()
    assert store.default_privatekey.public_key() == certificate(made).public_key()


def test_a_second_start_changes_nothing(made: Authority) -> None:
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in made.folder.iterdir()}
    again = ensure(made.folder, HOSTS[:1])
    assert (again, again.change) == (made, Change.NONE)
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in made.folder.iterdir()} == before


def test_hosts_that_are_added_are_spoken_for_with_the_same_key_and_name(tmp_path: Path) -> None:
    old = certificate(ensure(tmp_path / "ca", HOSTS))
    authority = ensure(tmp_path / "ca", ("new.example.net", "10.1.2.3"))
    found = certificate(authority)
    assert authority.change is Change.EXTENDED
    assert hosts(authority) == ("api.anthropic.com", "example.com", "new.example.net", "10.1.2.3")
    assert (found.subject, found.public_key()) == (old.subject, old.public_key())
    assert found.serial_number != old.serial_number
    assert authority.bundle.read_bytes().endswith(authority.certificate.read_bytes())


def test_it_is_renewed_before_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = certificate(ensure(tmp_path, HOSTS))
    later = datetime.datetime.now(datetime.UTC) + LIFE
    monkeypatch.setattr(module, "_now", lambda: later)
    authority = ensure(tmp_path, HOSTS)
    assert authority.change is Change.RENEWED
    assert certificate(authority).not_valid_after_utc > later
    assert certificate(authority).public_key() == old.public_key()
    assert ensure(tmp_path, HOSTS).change is Change.NONE


def test_one_that_could_speak_for_any_host_is_replaced_key_and_all(tmp_path: Path) -> None:
    CertStore.create_store(tmp_path, "mitmproxy", 2048, organization="ringlet-mitm", cn="ringlet-mitm")
    old = x509.load_pem_x509_certificate((tmp_path / "mitmproxy-ca-cert.pem").read_bytes())
    authority = ensure(tmp_path, HOSTS)
    assert authority.change is Change.REPLACED
    assert hosts(authority) == ("api.anthropic.com", "example.com")
    assert certificate(authority).public_key() != old.public_key()
    keys = [path for path in tmp_path.iterdir() if b"PRIVATE KEY" in path.read_bytes() or path.suffix == ".p12"]
    assert keys == [authority.key]


def test_a_new_key_is_for_the_hosts_of_now(tmp_path: Path) -> None:
    old = certificate(ensure(tmp_path, HOSTS))
    (wider := tmp_path / "bundle-0123456789ab.pem").write_text("some shell's")
    authority = rotate(tmp_path, ("api.openai.com",))
    assert hosts(authority) == ("api.openai.com",)
    assert certificate(authority).subject != old.subject
    assert certificate(authority).public_key() != old.public_key()
    assert authority.bundle.read_bytes().endswith(authority.certificate.read_bytes())
    assert not wider.exists()
    assert ensure(tmp_path, ("api.openai.com",)).change is Change.NONE


@pytest.mark.parametrize("lost", ["mitmproxy-ca-cert.pem", "bundle.pem", "mitmproxy-dhparam.pem"])
@pytest.mark.parametrize("how", [Path.unlink, lambda path: path.write_text("")], ids=["missing", "empty"])
def test_a_file_that_is_lost_is_made_again(lost: str, how: Callable[[Path], object], tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in ensure(tmp_path, HOSTS).folder.iterdir()}
    how(tmp_path / lost)
    assert ensure(tmp_path, HOSTS).change is Change.NONE
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "holds no certificate", id="empty"),
        pytest.param(
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "holds no certificate", id="odd"
        ),
    ],
)
def test_what_cannot_be_read_is_not_overwritten(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "mitmproxy-ca.pem").write_text(text)
    with pytest.raises(ConfigError, match=said):
        ensure(tmp_path, HOSTS)
    assert (tmp_path / "mitmproxy-ca.pem").read_text() == text


def test_somebody_elses_is_not_overwritten(tmp_path: Path) -> None:
    CertStore.create_store(tmp_path, "mitmproxy", 2048)
    before = (tmp_path / "mitmproxy-ca.pem").read_bytes()
    with pytest.raises(ConfigError, match=r"mitmproxy-ca\.pem: is not one of ringlet-mitm; move it away"):
        ensure(tmp_path, HOSTS)
    assert (tmp_path / "mitmproxy-ca.pem").read_bytes() == before


def test_a_lost_key_is_said_when_it_is_needed(tmp_path: Path) -> None:
    authority = ensure(tmp_path, HOSTS)
    authority.key.write_bytes(authority.certificate.read_bytes())
    with pytest.raises(ConfigError, match="holds no key; make a new one with: ringlet-mitm ca rotate"):
        ensure(tmp_path, ("new.example.net",))


def test_a_folder_that_cannot_be_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "ca").write_text("a file")
    with pytest.raises(ConfigError, match="the certificate authority"):
        ensure(tmp_path / "ca", HOSTS)


def test_what_was_open_is_closed(tmp_path: Path) -> None:
    authority = ensure(tmp_path / "ca", HOSTS)
    authority.folder.chmod(0o755)
    authority.key.chmod(0o644)
    ensure(authority.folder, HOSTS)
    assert (mode(authority.folder), mode(authority.key)) == (0o700, 0o600)


def test_proxies_that_start_at_once_have_one_authority_for_all_their_hosts(tmp_path: Path) -> None:
    names = [f"host{number}.example" for number in range(8)]
    together = FORK.Barrier(len(names))
    running = [FORK.Process(target=_starts, args=(together, tmp_path, name)) for name in names]
    for process in running:
        process.start()
    for process in running:
        process.join()
    assert [process.exitcode for process in running] == [0] * len(names)
    authority = authority_in(tmp_path)
    assert hosts(authority) == tuple(names)
    assert certificate_of(authority) == certificate(authority)
    assert ensure(tmp_path, names).change is Change.NONE
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".") and path.name != ".lock"] == []


def _starts(together: object, folder: Path, name: str) -> None:
    together.wait()  # type: ignore[attr-defined]
    store = CertStore.from_store(ensure(folder, (name,)).folder, "mitmproxy", 2048)
    assert store.default_ca._cert.public_key() == store.default_privatekey.public_key()
    context = ssl.create_default_context(cafile=str(authority_in(folder).bundle))
    assert len(context.get_ca_certs()) > 20
