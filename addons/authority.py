"""The certificate authority that agents are asked to trust: our own, never the user's ~/.mitmproxy one.

It is made at the first start and speaks for the intercepted hosts alone (see ca_certificate.py). When hosts are added,
by any profile or by a release, the certificate is made anew with the same key and name: an agent that runs and has read
the older file goes on, since the leaves that it gets are signed by the key that it trusts. The list only grows. To take
a host off it would not take the older certificate from those who trust it; a new key does that: `rotate`.
"""

from __future__ import annotations

import datetime
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ringlet_mitm.addons import bundle as bundles
from ringlet_mitm.addons.ca_certificate import Permitted, in_time, is_ours, new_key, self_signed
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.whole_files import write_whole

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

BASENAME = "mitmproxy"  # the name under which mitmproxy looks for it in its confdir
LOCK = ".lock"
# What earlier versions left and nobody reads; the first of them holds a key.
LEFT_OVERS = ("mitmproxy-ca.p12", "mitmproxy-ca-cert.p12", "mitmproxy-ca-cert.cer")
# mitmproxy wants the file, and writes it so that a second proxy can find half of it. ffdhe2048 of RFC 7919.
DH_PARAMETERS = b"""-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
"""


class Change(Enum):
    """What `ensure` had to do to the certificate."""

    NONE = "the certificate is as it was"
    CREATED = "made a certificate authority"
    EXTENDED = "the certificate authority speaks for more hosts now; agents that run go on with the ones they know"
    RENEWED = "renewed the certificate authority's certificate; agents that run go on"
    REPLACED = "replaced the certificate authority, which could speak for any host; restart running agents"


@dataclass(frozen=True, slots=True)
class Authority:
    """Where its files are.

    `certificate` is for tools that add one, `bundle` (the system's and ours) for tools that replace theirs. `key` holds
    the private key, and the certificate once more.
    """

    folder: Path
    certificate: Path
    bundle: Path
    change: Change = field(default=Change.NONE, compare=False)

    @property
    def key(self) -> Path:
        """The file to keep to oneself."""
        return self.folder / f"{BASENAME}-ca.pem"

    @property
    def dh_parameters(self) -> Path:
        """What mitmproxy asks for besides."""
        return self.folder / f"{BASENAME}-dhparam.pem"


def authority_in(folder: Path) -> Authority:
    """The files of the authority in `folder`, whether they are there or not."""
    return Authority(folder, folder / f"{BASENAME}-ca-cert.pem", folder / "bundle.pem")


def ensure(folder: Path, hosts: Iterable[str]) -> Authority:
    """The authority in `folder`, which speaks for `hosts` and all it has spoken for: made or renewed if need be.

    The folder is 0700, the files 0600. Any number of processes may call this at once. Raises ConfigError where files
    cannot be read or written, or hold somebody else's certificate.
    """
    authority, wanted = authority_in(folder), Permitted.of(hosts)
    try:
        _make_folder(folder)
        if _is_complete(authority, wanted):
            return authority
        with _alone(folder):
            return _mended(authority, wanted)
    except OSError as error:
        file = str(error.filename or folder)
        raise ConfigError(f"the certificate authority: {error.strerror or error}", file=file) from None


def rotate(folder: Path, hosts: Iterable[str]) -> Authority:
    """A new key, and a certificate for `hosts` only; whoever trusts the old one trusts nothing of ours any more."""
    authority = authority_in(folder)
    try:
        _make_folder(folder)
        with _alone(folder):
            _issue(authority, new_key(), Permitted.of(hosts))
            _complete(authority)
            for wider in folder.glob(f"{authority.bundle.stem}-*{authority.bundle.suffix}"):
                wider.unlink()  # some shell's: the bundle and more, with the old certificate
    except OSError as error:
        raise ConfigError(f"the certificate authority: {error.strerror or error}", file=str(folder)) from None
    return replace(authority, change=Change.CREATED)


def certificate_of(authority: Authority) -> x509.Certificate | None:
    """What it is by now, None before the first start; raises ConfigError for what is no certificate, or another's."""
    try:
        found = x509.load_pem_x509_certificate(authority.key.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        raise ConfigError("holds no certificate; move it away and start again", file=str(authority.key)) from None
    if not is_ours(found):
        raise ConfigError("is not one of ringlet-mitm; move it away and start again", file=str(authority.key))
    return found


def _is_complete(authority: Authority, wanted: Permitted) -> bool:
    """Whether there is nothing to do; takes half a millisecond."""
    found = certificate_of(authority)
    if found is None or _change(found, wanted) is not Change.NONE:
        return False
    _keep_private(authority.key, 0o600)
    text = _as_pem(found)
    whole = _content(authority.certificate) == text and _content(authority.dh_parameters) == DH_PARAMETERS
    return whole and bundles.is_current(authority.bundle, text)


def _mended(authority: Authority, wanted: Permitted) -> Authority:
    """The same looked at again, since another process may have been here meanwhile, and done."""
    found = certificate_of(authority)
    change = Change.CREATED if found is None else _change(found, wanted)
    if found is None or change is Change.REPLACED:
        _issue(authority, new_key(), wanted)
    elif change is not Change.NONE:
        _issue(authority, _read_key(authority), wanted | (Permitted.by(found) or wanted))
    _complete(authority)
    return replace(authority, change=change)


def _change(found: x509.Certificate, wanted: Permitted) -> Change:
    permitted = Permitted.by(found)
    if permitted is None:
        return Change.REPLACED
    if not permitted.covers(wanted):
        return Change.EXTENDED
    return Change.NONE if in_time(found, _now()) else Change.RENEWED


def _issue(authority: Authority, key: ec.EllipticCurvePrivateKey, permitted: Permitted) -> None:
    """Key and certificate in one file, so that nobody ever finds the one without the other."""
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_whole(authority.key, secret + _as_pem(self_signed(key, permitted, _now())))


def _complete(authority: Authority) -> None:
    """Whatever else there is follows from that file."""
    found = certificate_of(authority)
    assert found is not None
    text = _as_pem(found)
    if _content(authority.certificate) != text:
        write_whole(authority.certificate, text)
    if _content(authority.dh_parameters) != DH_PARAMETERS:
        write_whole(authority.dh_parameters, DH_PARAMETERS)
    if not bundles.is_current(authority.bundle, text):
        bundles.write(authority.bundle, text)
    for name in LEFT_OVERS:
        (authority.folder / name).unlink(missing_ok=True)


def _read_key(authority: Authority) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(authority.key.read_bytes(), None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError("holds no key; make a new one with: ringlet-mitm ca rotate", file=str(authority.key))
    return key


def _as_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _content(path: Path) -> bytes:
    with suppress(FileNotFoundError):
        return path.read_bytes()
    return b""


def _make_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _keep_private(folder, 0o700)


def _keep_private(path: Path, mode: int) -> None:
    if sys.platform != "win32" and stat.S_IMODE(path.stat().st_mode) != mode:
        path.chmod(mode)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time; the lock goes with the descriptor, also when the process is killed.

    A network folder may have no locks; files are written whole, and the next start mends what does not fit together.
    """
    fd = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with suppress(OSError):
            if sys.platform == "win32":
                msvcrt.locking(fd, msvcrt.LK_LOCK, 1)
            else:
                fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
