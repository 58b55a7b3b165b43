"""The certificate authority that agents are asked to trust: our own, never the user's ~/.mitmproxy one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import certifi
from mitmproxy.certs import CertStore

BASENAME = "mitmproxy"  # the name under which mitmproxy looks for it in its confdir
KEY_BITS = 2048
SYSTEM_BUNDLES = (
    Path("/etc/ssl/certs/ca-certificates.crt"),
    Path("/etc/pki/tls/certs/ca-bundle.crt"),
    Path("/etc/ssl/ca-bundle.pem"),
    Path("/etc/ssl/cert.pem"),
)


@dataclass(frozen=True, slots=True)
class Authority:
    """Where its files are.

    `certificate` is for tools that add one, `bundle` (the system's and ours) for tools that replace theirs.
    """

    folder: Path
    certificate: Path
    bundle: Path


def ensure(folder: Path) -> Authority:
    """The authority in `folder`, created on first use: folder 0700, key 0600."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    authority = Authority(folder, folder / f"{BASENAME}-ca-cert.pem", folder / "bundle.pem")
    if not (folder / f"{BASENAME}-ca.pem").exists():
        CertStore.create_store(folder, BASENAME, KEY_BITS, organization="ringlet-mitm", cn="ringlet-mitm")
    for secret in folder.glob(f"{BASENAME}-ca*"):
        secret.chmod(0o600)
    _write_bundle(authority)
    return authority


def _write_bundle(authority: Authority) -> None:
    """SSL_CERT_FILE replaces a tool's own list instead of adding to it, so it has to hold the system's as well."""
    system = next((path for path in SYSTEM_BUNDLES if path.is_file()), Path(certifi.where()))
    text = system.read_bytes().rstrip() + b"\n" + authority.certificate.read_bytes()
    if authority.bundle.is_file() and authority.bundle.read_bytes() == text:
        return
    fresh = authority.bundle.with_suffix(".new")
    fresh.write_bytes(text)
    fresh.replace(authority.bundle)
