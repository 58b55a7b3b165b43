"""The certificates that the system trusts and ours, in one file.

SSL_CERT_FILE and its like replace a tool's own list instead of adding to it, so what they name has to hold both.
"""

from __future__ import annotations

import base64
import hashlib
import re
import ssl
import sys
from pathlib import Path

import certifi

from ringlet_mitm.addons.ca_certificate import ORGANIZATION
from ringlet_mitm.rules.whole_files import write_whole

SYSTEM_BUNDLES = (
    Path("/etc/ssl/certs/ca-certificates.crt"),
    Path("/etc/pki/tls/certs/ca-bundle.crt"),
    Path("/etc/ssl/ca-bundle.pem"),
    Path("/etc/ssl/cert.pem"),
)
BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----\s*", re.DOTALL)


def system_bundle() -> Path:
    """The file with what the system trusts; certifi's where it keeps none."""
    return next((path for path in SYSTEM_BUNDLES if path.is_file()), Path(certifi.where()))


def is_current(bundle: Path, certificate: bytes) -> bool:
    """Whether it was made of the system's list as it is, and ends with `certificate` (PEM); reads no list for that."""
    head = _head(system_bundle())
    try:
        with bundle.open("rb") as file:
            begins = file.read(len(head))
            file.seek(-len(certificate), 2)
            return begins == head and file.read() == certificate
    except OSError:
        return False


def write(bundle: Path, certificate: bytes) -> None:
    """Make it anew, mode 0600; an older certificate of ours that the system trusts is left out.

    OpenSSL takes the first that has the issuer's name, and the older one may not permit all hosts.
    """
    source = system_bundle()
    listed = BLOCK.sub(lambda found: b"" if _is_ours(found[1]) else found[0], source.read_bytes())
    write_whole(bundle, b"\n".join((_head(source) + listed.rstrip() + _from_windows(), certificate)))


def _head(source: Path) -> bytes:
    found = source.stat()
    stamp = f"{found.st_mtime_ns} {found.st_size} {_windows_stamp()}".rstrip()
    return f"# ringlet-mitm: what the system trusts ({source}, {stamp}), and our own certificate\n".encode()


def _is_ours(body: bytes) -> bool:
    return ORGANIZATION.encode() in base64.b64decode(body)


def _windows_store() -> list[bytes]:
    """What Windows trusts beyond certifi's list, a company's own authorities above all; elsewhere the file has them."""
    if sys.platform != "win32":
        return []
    return sorted({der for der, encoding, _ in ssl.enum_certificates("ROOT") if encoding == "x509_asn"})


def _windows_stamp() -> str:
    found = _windows_store()
    return hashlib.sha256(b"".join(found)).hexdigest()[:16] if found else ""


def _from_windows() -> bytes:
    added = [der for der in _windows_store() if ORGANIZATION.encode() not in der]
    return "".join(f"\n{ssl.DER_cert_to_PEM_cert(der).rstrip()}" for der in added).encode()
