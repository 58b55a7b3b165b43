"""The certificates that agents are shown, one a host: made when first asked for, and kept in memory only.

mitmproxy makes them with the authority's own key, of every name and address that a connection has to do with, for a
year or so. Three things are wrong with that here. A certificate with one name that the authority may not speak for is
refused whole, and an agent that connects to an address, or without a server name, would get such a one. Nothing may
live longer than 197 days: publicly trusted certificates may have 200 from March 2026 on (CA/Browser Forum, ballot
SC-081v3, accessed 2026-11-21), and stacks may come to ask as much of all. And the key that signs others has no need to
be in every handshake.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from mitmproxy import ctx
from mitmproxy.certs import Cert, CertStore, CertStoreEntry

from ringlet_mitm.addons.ca_certificate import SKEW, Permitted, new_key

LIFE = datetime.timedelta(days=197)
# A proxy may run for longer than that.
RENEWED_WITHIN = datetime.timedelta(days=7)
MOST = 100
LONGEST_COMMON_NAME = 64  # RFC 5280, ub-common-name


class LeafStore(CertStore):
    """Takes the place of mitmproxy's store; asked by the names of a connection, it shows a certificate for some."""

    def __init__(self, read: CertStore) -> None:
        # mitmproxy 11 and 12 build stores from different things, but read the same from files.
        self.__dict__.update(read.__dict__)
        self._permitted = Permitted.by(read.default_ca._cert)
        self._leaves: dict[tuple[x509.GeneralName, ...], CertStoreEntry] = {}
        self._key = new_key()

    def get_cert(
        self, commonname: str | None, sans: Iterable[x509.GeneralName], organization: str | None = None, *_: Any
    ) -> CertStoreEntry:
        """The certificate for a connection; one that was given with mitmproxy's `certs` goes first."""
        asked = tuple(sans)
        given = self._given(commonname, asked) if self.certs else None
        if given is not None:
            return given
        names = self._speakable(asked)
        found = self._leaves.get(names)
        if found is None or found.cert.notafter - _now() < RENEWED_WITHIN:
            self._leaves.pop(names, None)
            found = self._leaves[names] = self._made(names)
            if len(self._leaves) > MOST:
                del self._leaves[next(iter(self._leaves))]
        return found

    def _given(self, commonname: str | None, names: tuple[x509.GeneralName, ...]) -> CertStoreEntry | None:
        forms = [form for name in names for form in self.asterisk_forms(name)]
        own = self.asterisk_forms(commonname) if commonname else []
        return next((self.certs[form] for form in (*own, *forms, "*") if form in self.certs), None)

    def _speakable(self, names: tuple[x509.GeneralName, ...]) -> tuple[x509.GeneralName, ...]:
        """Those that the authority may speak for; all where that is none, to be refused by whoever asked."""
        if self._permitted is None:
            return names
        plain = tuple(dict.fromkeys(map(_plain, names)))
        return tuple(name for name in plain if self._permitted.has(name)) or plain

    def _made(self, names: tuple[x509.GeneralName, ...]) -> CertStoreEntry:
        leaf = leaf_certificate(names, self._key.public_key(), self.default_ca._cert, self.default_privatekey)
        return CertStoreEntry(Cert(leaf), self._key, self.default_chain_file, self.default_chain_certs)  # type: ignore[arg-type]


class Leaves:
    """Puts our store in the place of mitmproxy's, in whatever master."""

    def configure(self, updated: Collection[str]) -> None:
        """mitmproxy has just read its store anew, if it had to."""
        self.running()

    def running(self) -> None:
        """mitmproxy reads its store when it runs, before this and before the first connection is looked at."""
        tls = ctx.master.addons.get("tlsconfig")
        store = getattr(tls, "certstore", None)
        if store is not None and not isinstance(store, LeafStore):
            tls.certstore = LeafStore(store)


def leaf_certificate(
    names: tuple[x509.GeneralName, ...], public_key: Any, issuer: x509.Certificate, issuer_key: Any
) -> x509.Certificate:
    """A server's certificate for all `names`; valid from two days ago on, and no longer than who signs it."""
    # OpenSSL takes a common name that is an address for a host's name, which no constraint permits.
    common = [name.value for name in names if isinstance(name, x509.DNSName) and len(name.value) <= LONGEST_COMMON_NAME]
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, name) for name in common[:1]]
    begins = max(_now() - SKEW, issuer.not_valid_before_utc)
    # No subject key identifier: Schannel trips over some, see mitmproxy's issue 6494, and a leaf needs none.
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name(subject))
        .issuer_name(issuer.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(min(begins + LIFE, issuer.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=not subject)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False)  # type: ignore[arg-type]
        .sign(issuer_key, hashes.SHA256())
    )


def _plain(name: x509.GeneralName) -> x509.GeneralName:
    """Small letters and no dot at the end, which Go refuses; clients may say either."""
    return x509.DNSName(name.value.rstrip(".").lower()) if isinstance(name, x509.DNSName) else name


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
