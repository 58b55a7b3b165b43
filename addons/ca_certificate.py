"""The authority's own certificate: whom it may speak for, and how long.

Its name constraints (RFC 5280, 4.2.1.10) are critical and name the intercepted hosts alone, so whoever steals the key
can pretend to be these hosts to those who trust it, and nobody else: no other name, no address, no mailbox; and, by
its extended key usage, no signer of programs either. The list of hosts is kept nowhere else.

A P-256 key: every TLS stack of an agent takes one, and signing, which is done on the event loop, takes a tenth of the
time of RSA with 2,048 bits (0.03 ms a handshake, 0.13 ms a leaf; reading such a key at start 1 ms, not 40; 2026-11).

What does not work: constraints on an intermediate below an unconstrained root whose key is thrown away. That is for
stacks that ignore constraints on a root (Chromium before 112, Java 17 and 25, tried 2026-11); but then each added host
needs a new root, and agents that run would have to be restarted for it.
"""

from __future__ import annotations

import datetime
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

ORGANIZATION = "ringlet-mitm"
LIFE = datetime.timedelta(days=3 * 365)
# Renewed at the first start within its last year: a proxy that has started can run for a year.
RENEWED_WITHIN = datetime.timedelta(days=365)
# Clocks differ, in containers and virtual machines by hours; two days is what mitmproxy allows as well.
SKEW = datetime.timedelta(days=2)
# What nobody can be reached as (RFC 6761, 6.4): permitted alone, it means that no name of its kind is.
NOBODY = "invalid"
EVERY_V4, EVERY_V6 = ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")
# One name that cannot be one (an empty label) makes Go refuse the whole certificate.
NAME = re.compile(r"(?!.{254})[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
USAGE = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, slots=True)
class Permitted:
    """Whom an authority may speak for: these names and all below them, and these addresses."""

    names: frozenset[str]
    addresses: frozenset[Network]

    @classmethod
    def of(cls, hosts: Iterable[str]) -> Permitted:
        """Of hosts as `HostPolicy` has them; `*.example.com` permits example.com as well, constraints know no less."""
        names, addresses = set(), set()
        for host in hosts:
            address = _address(host.partition("%")[0])
            if address:
                addresses.add(address)
            elif NAME.fullmatch(name := host.removeprefix("*.")):
                names.add(name)
        return cls(frozenset(name for name in names if not _above(name, names)), frozenset(addresses))

    @classmethod
    def by(cls, certificate: x509.Certificate) -> Permitted | None:
        """Whom a certificate permits; None where it constrains nothing."""
        try:
            found = certificate.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or []
        except x509.ExtensionNotFound:
            return None
        names = frozenset(name.value for name in found if isinstance(name, x509.DNSName))
        return cls(names - {NOBODY}, frozenset(_networks(found)))

    def __or__(self, other: Permitted) -> Permitted:
        names = self.names | other.names
        kept = frozenset(name for name in names if not _above(name, names))
        return Permitted(kept, self.addresses | other.addresses)

    def covers(self, other: Permitted) -> bool:
        """Whether everybody in `other` is in here too."""
        return other.addresses <= self.addresses and all(self.has_name(name) for name in other.names)

    def has_name(self, name: str) -> bool:
        """Whether a host of that name may be spoken for."""
        name = name.rstrip(".").lower()
        return name in self.names or _above(name, self.names)

    def has(self, name: x509.GeneralName) -> bool:
        """The same for a name or address as certificates have them."""
        if isinstance(name, x509.IPAddress):
            return any(name.value in network for network in self.addresses)
        return isinstance(name, x509.DNSName) and self.has_name(name.value)

    def hosts(self) -> tuple[str, ...]:
        """Names, then addresses, in order."""
        return (*sorted(self.names), *sorted(str(network.network_address) for network in self.addresses))


def new_key() -> ec.EllipticCurvePrivateKey:
    """A key of the kind that authorities and leaves have."""
    return ec.generate_private_key(ec.SECP256R1())


def self_signed(key: ec.EllipticCurvePrivateKey, permitted: Permitted, now: datetime.datetime) -> x509.Certificate:
    """A root certificate. The same key gives the same name: who trusts an older one takes leaves signed under this."""
    public = key.public_key()
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{ORGANIZATION} {identifier.digest.hex()[:8]}"),
        ]
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(USAGE, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(_constraints(permitted), critical=True)
        .sign(key, hashes.SHA256())
    )


def in_time(certificate: x509.Certificate, now: datetime.datetime) -> bool:
    """Whether it holds by now and for another year: one made while the clock was ahead does not."""
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - RENEWED_WITHIN


def is_ours(certificate: x509.Certificate) -> bool:
    """Whether it says that this program made it."""
    said = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return any(attribute.value == ORGANIZATION for attribute in said)


def _constraints(permitted: Permitted) -> x509.NameConstraints:
    """A kind of name that is not spoken of is free, so each is: addresses of either version, and mailboxes.

    Where one address is permitted, all others are not; stacks differ in whether that holds for the other version.
    """
    versions = {network.version for network in permitted.addresses}
    allowed: list[x509.GeneralName] = [x509.DNSName(name) for name in sorted(permitted.names) or [NOBODY]]
    allowed += [x509.IPAddress(network) for network in sorted(permitted.addresses, key=str)]
    allowed.append(x509.RFC822Name(NOBODY))
    excluded = [x509.IPAddress(every) for every in (EVERY_V4, EVERY_V6) if every.version not in versions]
    return x509.NameConstraints(allowed, excluded or None)


def _networks(names: Iterable[x509.GeneralName]) -> Iterable[Network]:
    values = (name.value for name in names if isinstance(name, x509.IPAddress))
    return (value for value in values if isinstance(value, Network))


def _address(host: str) -> Network | None:
    try:
        return ipaddress.ip_network(host)
    except ValueError:
        return None


def _above(name: str, names: Iterable[str]) -> bool:
    """Whether a name above this one is among them."""
    labels = name.split(".")
    return any(".".join(labels[start:]) in names for start in range(1, len(labels)))
