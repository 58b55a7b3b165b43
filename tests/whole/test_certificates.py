"""Certificates as TLS stacks see them: through a proxy to an intercepted host, and made with a stolen key."""

from __future__ import annotations

import datetime
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from clients import StartProxy
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from tls_stacks import STACKS, Ask, Impostor, Stack

from ringlet_mitm.cli.demo.stage import RunningProxy
from ringlet_mitm.cli.demo.upstream import Vendor
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.profiles import Profile, save_profile

STRANGER = "github.com"
ADDRESS = "192.0.2.7"  # of nobody (RFC 5737)


@pytest.fixture(scope="module")
def impostor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Impostor]:
    """Built before the proxy, which has to know its port, so it steals the key later: see `proxy`."""
    with Impostor() as running:
        yield running


@pytest.fixture(scope="module")
def proxy(shared_proxy: StartProxy, impostor: Impostor) -> RunningProxy:
    found = shared_proxy(options=("--connect-to", f"{STRANGER}:443:127.0.0.1:{impostor.port}"))
    impostor.steal(found.home / "ca" / "mitmproxy-ca.pem")
    return found


@pytest.fixture
def stack(request: pytest.FixtureRequest) -> Stack:
    found = STACKS[request.param]
    if not found.at_hand():
        pytest.skip(f"{request.param} is not installed")
    return found


every_stack = pytest.mark.parametrize("stack", STACKS, indirect=True)


@every_stack
def test_an_intercepted_host_is_believed(stack: Stack, proxy: RunningProxy, vendor: Vendor, tmp_path: Path) -> None:
    before = len(vendor.seen)
    said = stack.ask(Ask("https://api.openai.com/v1/whole", proxy.url, proxy.ca_file, tmp_path))
    assert [seen.host for seen in vendor.seen[before:]] != [], said


@every_stack
def test_another_host_is_not_even_with_the_stolen_key(
    stack: Stack, proxy: RunningProxy, impostor: Impostor, tmp_path: Path
) -> None:
    impostor.forget()
    said = stack.ask(Ask(f"https://{STRANGER}/v1/whole", proxy.url, proxy.ca_file, tmp_path))
    assert STRANGER in impostor.tried, said
    assert impostor.fooled == [], said


@every_stack
def test_it_is_the_constraints_that_refuse_it(
    stack: Stack, proxy: RunningProxy, impostor: Impostor, tmp_path: Path
) -> None:
    impostor.forget()
    twin = tmp_path / "twin.pem"
    twin.write_bytes(unconstrained(impostor))
    (home := tmp_path / "home").mkdir()
    said = stack.ask(Ask(f"https://{STRANGER}/v1/whole", proxy.url, twin, home))
    assert STRANGER in impostor.fooled, said


@pytest.mark.parametrize(
    ("connect_to", "server_name"),
    [
        pytest.param("api.anthropic.com", "api.anthropic.com", id="as agents do"),
        pytest.param("API.Anthropic.com", "api.anthropic.com", id="in capitals"),
        pytest.param(ADDRESS, "api.anthropic.com", id="to an address, with a server name"),
        pytest.param("api.anthropic.com", None, id="without a server name"),
    ],
)
def test_a_certificate_holds_however_the_host_is_said(
    connect_to: str, server_name: str | None, proxy: RunningProxy
) -> None:
    shown = handshake(proxy, connect_to, server_name, proxy.ca_file)
    assert [name.value for name in names_of(shown)] == ["api.anthropic.com"]
    life = shown.not_valid_after_utc - shown.not_valid_before_utc
    assert datetime.timedelta(days=180) < life <= datetime.timedelta(days=197)


def test_an_address_that_a_profile_intercepts_is_spoken_for(start_proxy: StartProxy, tmp_path: Path) -> None:
    save_profile(home_of({"RINGLET_HOME": str(tmp_path)}), Profile(name="work", intercept=(ADDRESS,)))
    proxy = start_proxy()
    shown = handshake(proxy, ADDRESS, None, proxy.ca_file)
    assert [str(name.value) for name in names_of(shown)] == [ADDRESS]


def test_an_agent_that_runs_goes_on_when_hosts_are_added(start_proxy: StartProxy, tmp_path: Path) -> None:
    home = home_of({"RINGLET_HOME": str(tmp_path)})
    save_profile(home, Profile(name="work"))
    running = start_proxy()
    old = tmp_path / "what-the-agent-has-read.pem"
    old.write_bytes(running.ca_file.read_bytes())
    save_profile(home, Profile(name="work", intercept=("llm.example.net",)))
    newer = start_proxy()
    assert newer.ca_file.read_bytes() != old.read_bytes()
    for proxy in (running, newer):
        for trusted in (old, proxy.ca_file):
            handshake(proxy, "api.anthropic.com", "api.anthropic.com", trusted)
    handshake(newer, "llm.example.net", "llm.example.net", newer.ca_file)
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        handshake(newer, "llm.example.net", "llm.example.net", old)


def handshake(proxy: RunningProxy, connect_to: str, server_name: str | None, ca: Path) -> x509.Certificate:
    """The certificate that a client is shown and believes; whether it is for the name is looked at elsewhere."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(ca)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as connection:
        connection.sendall(f"CONNECT {connect_to}:443 HTTP/1.1\r\nHost: {connect_to}:443\r\n\r\n".encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        with context.wrap_socket(connection, server_hostname=server_name) as tls:
            return x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")


def names_of(certificate: x509.Certificate) -> x509.SubjectAlternativeName:
    return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def unconstrained(impostor: Impostor) -> bytes:
    """An authority of the same key and name that may speak for any host, as mitmproxy's own are."""
    old = impostor.ca
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(old.subject)
        .public_key(old.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(old.not_valid_before_utc)
        .not_valid_after(old.not_valid_after_utc)
    )
    for extension in old.extensions:
        if not isinstance(extension.value, x509.NameConstraints):
            builder = builder.add_extension(extension.value, extension.critical)
    return builder.sign(impostor.stolen, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
