from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

import pytest
from cryptography import x509
from mitmproxy import certs
from mitmproxy.addons.tlsconfig import TlsConfig
from mitmproxy.test import taddons

from ringlet_mitm.addons import leaves
from ringlet_mitm.addons.authority import ensure
from ringlet_mitm.addons.leaves import MOST, LeafStore, Leaves

ANTHROPIC = x509.DNSName("api.anthropic.com")
STRANGER = x509.DNSName("github.com")
LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ensure(tmp_path_factory.mktemp("ca"), ("api.anthropic.com", "*.example.com")).folder


@pytest.fixture
def store(folder: Path) -> LeafStore:
    return LeafStore(certs.CertStore.from_store(folder, "mitmproxy", 2048))


def names(entry: certs.CertStoreEntry) -> list[x509.GeneralName]:
    return list(entry.cert.altnames)


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        pytest.param([ANTHROPIC], [ANTHROPIC], id="a host"),
        pytest.param([LOOPBACK, ANTHROPIC], [ANTHROPIC], id="no server name: mitmproxy adds our own address"),
        pytest.param([ANTHROPIC, STRANGER], [ANTHROPIC], id="an address or another host behind a server name"),
        pytest.param([ANTHROPIC, x509.DNSName("API.Anthropic.com.")], [ANTHROPIC], id="the same in other letters"),
        pytest.param([STRANGER], [STRANGER], id="a stranger: whoever asked refuses it"),
    ],
)
def test_it_shows_the_names_that_may_be_spoken_for(
    asked: list[x509.GeneralName], shown: list[x509.GeneralName], store: LeafStore
) -> None:
    entry = store.get_cert(str(asked[0].value), asked)
    assert names(entry) == shown
    assert entry.cert.cn == shown[0].value


def test_it_is_valid_since_two_days_and_for_197(store: LeafStore) -> None:
    leaf = store.get_cert(None, [ANTHROPIC]).cert
    now = datetime.datetime.now(datetime.UTC)
    assert leaf.notafter - leaf.notbefore <= datetime.timedelta(days=197)
    assert leaf.notafter - now > datetime.timedelta(days=190)
    assert now - leaf.notbefore > datetime.timedelta(days=1, hours=23)


def test_the_authoritys_key_signs_and_is_not_shown(store: LeafStore) -> None:
    entry = store.get_cert(None, [ANTHROPIC])
    assert entry.privatekey.public_key() == entry.cert.public_key() != store.default_ca.public_key()
    entry.cert._cert.verify_directly_issued_by(store.default_ca._cert)


def test_it_is_made_once_a_host_and_never_written(store: LeafStore, folder: Path) -> None:
    before = sorted(folder.iterdir())
    assert store.get_cert(None, [ANTHROPIC]) is store.get_cert("x", [LOOPBACK, ANTHROPIC])
    assert sorted(folder.iterdir()) == before


def test_a_proxy_that_runs_for_long_makes_new_ones(store: LeafStore, monkeypatch: pytest.MonkeyPatch) -> None:
    first = store.get_cert(None, [ANTHROPIC])
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=190)
    monkeypatch.setattr(leaves, "_now", lambda: later)
    second = store.get_cert(None, [ANTHROPIC])
    assert second.cert.notafter > first.cert.notafter
    assert store.get_cert(None, [ANTHROPIC]) is second


def test_none_outlives_who_signed_it(store: LeafStore, monkeypatch: pytest.MonkeyPatch) -> None:
    end = store.default_ca.notafter
    monkeypatch.setattr(leaves, "_now", lambda: end - datetime.timedelta(days=30))
    assert store.get_cert(None, [ANTHROPIC]).cert.notafter == end


def test_many_names_are_not_all_kept(store: LeafStore) -> None:
    first = store.get_cert(None, [ANTHROPIC])
    for number in range(MOST):
        store.get_cert(None, [x509.DNSName(f"{number}.example.com")])
    assert len(store._leaves) == MOST
    assert store.get_cert(None, [ANTHROPIC]) is not first


def test_a_name_too_long_for_a_subject_is_in_the_list_only(store: LeafStore) -> None:
    long = x509.DNSName(".".join(["a" * 30] * 3) + ".example.com")
    leaf = store.get_cert(long.value, [long]).cert
    assert (leaf.cn, list(leaf.altnames)) == (None, [long])


def test_an_authority_without_constraints_speaks_for_all(tmp_path: Path) -> None:
    """In a mitmproxy that runs with certificates of its own, see plugin.py."""
    store = LeafStore(certs.CertStore.from_store(tmp_path, "mitmproxy", 2048))
    assert names(store.get_cert(None, [STRANGER, LOOPBACK])) == [STRANGER, LOOPBACK]


def test_a_certificate_that_was_given_goes_first(store: LeafStore, folder: Path) -> None:
    given = store.get_cert(None, [STRANGER])
    store.add_cert(given, "github.com")
    assert store.get_cert("github.com", [STRANGER]) is given
    assert names(store.get_cert(None, [ANTHROPIC])) == [ANTHROPIC]


def test_the_addon_puts_it_where_mitmproxy_has_its_own(folder: Path) -> None:
    tls = TlsConfig()
    with taddons.context(tls, Leaves(), options=None) as context:
        context.options.update(confdir=str(folder))
        assert isinstance(tls.certstore, LeafStore)
        tls.configure(["confdir"])  # as it does when it runs
        assert not isinstance(tls.certstore, LeafStore)
        context.master.addons.get("leaves").running()
        assert isinstance(tls.certstore, LeafStore)
