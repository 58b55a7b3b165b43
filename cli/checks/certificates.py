"""Of the certificate authority, the bundle, and the clock that all certificates hang on."""

from __future__ import annotations

import datetime
import http.client
import ssl
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from ringlet_mitm.addons import bundle as bundles
from ringlet_mitm.addons.authority import certificate_of
from ringlet_mitm.addons.ca_certificate import Permitted
from ringlet_mitm.cli.checks.finding import Finding, broken, ok, skipped, warning
from ringlet_mitm.cli.checks.scene import Scene
from ringlet_mitm.rules.errors import ConfigError

RENEW, ROTATE = "ringlet-mitm ca show", "ringlet-mitm ca rotate"
SET_CLOCK = {"win32": "w32tm /resync", "darwin": "sudo systemsetup -setusingnetworktime on"}
NONE_YET = "there is none yet; the first start makes one"
# More than clocks differ, and than it takes to install a program that another machine has built.
AHEAD = datetime.timedelta(days=1)
SHOWN_HOSTS = 3
USUAL_HOST = "api.anthropic.com"
GREETING_S = 3.0


def authority(scene: Scene) -> Iterator[Finding]:
    """Whether the key is ours alone, the certificate is the key's, holds today, and speaks for the profile's hosts."""
    files = scene.authority
    try:
        found = certificate_of(files)
    except ConfigError as error:
        yield broken(str(error), f"mv {files.folder} {files.folder}.old && {RENEW}")
        return
    except OSError as error:
        yield broken(f"{files.key}: {error.strerror}", f"chmod 600 {files.key}")
        return
    if found is None:
        yield skipped(NONE_YET)
        return
    wrong = [*_private(files.folder, 0o700), *_private(files.key, 0o600), *_of_key(found, files.key)]
    wrong += [*_of_time(found), *_of_hosts(found, scene), *_of_file(found, files.certificate)]
    yield from wrong or [ok(f"{files.certificate}, for {_count(found)} hosts and nobody else, to {_end(found)}")]


def bundle(scene: Scene) -> Iterator[Finding]:
    """Whether it holds what the system trusts, and our certificate as it is."""
    files = scene.authority
    found = certificate_of(files)
    if found is None:
        yield skipped(NONE_YET)
    elif not files.bundle.is_file():
        yield broken(f"{files.bundle} is not there", RENEW)
    elif not bundles.is_current(files.bundle, found.public_bytes(serialization.Encoding.PEM)):
        yield broken(f"{files.bundle} is not of the system's list and our certificate as they are now", RENEW)
    else:
        yield from _read(files.bundle)


def signing(scene: Scene) -> Iterator[Finding]:
    """Whether the proxy that runs signs with this authority: a greeting of TLS through it, and no request."""
    if scene.running is None:
        yield skipped("the proxy does not run")
        return
    host = next((host for one in scene.agents for host in one.preset.hosts if "*" not in host), USUAL_HOST)
    place = urlsplit(scene.running.url)
    context = ssl.create_default_context(cafile=str(scene.authority.certificate))
    line = http.client.HTTPSConnection(place.hostname or "", place.port, context=context, timeout=GREETING_S)
    line.set_tunnel(host, 443, {"Proxy-Authorization": scene.login.header} if scene.login else {})
    restart = f"ringlet-mitm stop --profile {scene.name} && ringlet-mitm start --profile {scene.name}"
    try:
        line.connect()
        yield ok(f"the proxy that runs speaks for {host} with it")
    except ssl.SSLCertVerificationError as error:
        yield broken(f"the proxy that runs has another key, and agents refuse it: {error.verify_message}", restart)
    except (OSError, http.client.HTTPException) as error:
        yield broken(f"the proxy that runs does not speak for {host}: {error}", restart)
    finally:
        line.close()


def clock(scene: Scene) -> Iterator[Finding]:
    """Whether it can be right: files of this program are no older than their future, and its certificates are born."""
    now = datetime.datetime.now(datetime.UTC)
    newest = datetime.datetime.fromtimestamp(Path(__file__).stat().st_mtime, datetime.UTC)
    mend = SET_CLOCK.get(sys.platform, "timedatectl set-ntp true")
    born = _born(scene)
    if now < newest - AHEAD:
        yield broken(f"it says {now:%Y-%m-%d %H:%M} UTC, and this program was installed on {newest:%Y-%m-%d}", mend)
    elif born is not None and now < born:
        yield broken(f"it says {now:%Y-%m-%d %H:%M} UTC, and our certificate begins on {born:%Y-%m-%d}", mend)
    else:
        yield ok(f"{now:%Y-%m-%d %H:%M} UTC; certificates hold now, and nothing here is of later")


def _born(scene: Scene) -> datetime.datetime | None:
    try:
        found = certificate_of(scene.authority)
    except (ConfigError, OSError):
        return None
    return None if found is None else found.not_valid_before_utc


def _private(path: Path, mode: int) -> Iterator[Finding]:
    """Not asked on Windows, where the mode says nothing of who may read a file."""
    if sys.platform != "win32" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        yield broken(f"others on this machine may read {path}", f"chmod {mode:o} {path}")


def _of_key(found: x509.Certificate, file: Path) -> Iterator[Finding]:
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), None)
    except (ValueError, TypeError):
        yield broken(f"{file} holds no key", ROTATE)
        return
    if key.public_key() != found.public_key():
        yield broken(f"{file} holds another key than its certificate's", ROTATE)


def _of_time(found: x509.Certificate) -> Iterator[Finding]:
    now = datetime.datetime.now(datetime.UTC)
    if not found.not_valid_before_utc <= now < found.not_valid_after_utc:
        yield broken(f"its certificate holds from {found.not_valid_before_utc:%Y-%m-%d} to {_end(found)}", RENEW)


def _of_hosts(found: x509.Certificate, scene: Scene) -> Iterator[Finding]:
    permitted, wanted = Permitted.by(found), Permitted.of(scene.decrypted)
    if permitted is None:
        yield broken("it could speak for any host; a new one is limited to those that are decrypted", RENEW)
    elif not permitted.covers(wanted):
        missing = sorted(host for host in scene.decrypted if not permitted.covers(Permitted.of([host])))
        more = f" and {len(missing) - SHOWN_HOSTS} others" if len(missing) > SHOWN_HOSTS else ""
        said = f"it does not speak for {', '.join(missing[:SHOWN_HOSTS])}{more} yet; the next start mends it as well"
        yield broken(said, RENEW) if scene.running else warning(said, RENEW)


def _of_file(found: x509.Certificate, file: Path) -> Iterator[Finding]:
    """What agents are told to trust has to be what the proxy signs with."""
    try:
        same = x509.load_pem_x509_certificate(file.read_bytes()) == found
    except (OSError, ValueError):
        same = False
    if not same:
        yield broken(f"{file} is not the certificate that the proxy signs with", RENEW)


def _read(bundle: Path) -> Iterator[Finding]:
    try:
        context = ssl.create_default_context(cafile=str(bundle))
    except (ssl.SSLError, OSError) as error:
        yield broken(f"{bundle} cannot be read: {error}", f"rm {bundle} && {RENEW}")
        return
    yield ok(f"{bundle}, {len(context.get_ca_certs())} authorities, ours among them")


def _count(found: x509.Certificate) -> int:
    return len((Permitted.by(found) or Permitted.of(())).hosts())


def _end(found: x509.Certificate) -> str:
    return f"{found.not_valid_after_utc:%Y-%m-%d}"
