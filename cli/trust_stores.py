"""Where a machine keeps the authorities it trusts, and the commands that add ours and take it away again.

Linux has a folder to put a file into and a program that reads it, macOS a keychain, Windows a store; Firefox, and
Chromium on Linux, have databases of NSS. All say whom they trust to name web servers and nobody else.
"""

from __future__ import annotations

import glob
import os
import shlex
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

NAME = "ringlet-mitm"
KEYCHAIN = "Library/Keychains/login.keychain-db"
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "brave-browser", "microsoft-edge")
# Databases of NSS below a person's own folder; Chromium has one for all, Firefox one a profile.
NSS_FOLDERS = (".pki/nssdb", ".local/share/pki/nssdb", "snap/chromium/current/.pki/nssdb")
FIREFOXES = (
    ".mozilla/firefox/*",
    ".config/mozilla/firefox/*",
    "snap/firefox/common/.mozilla/firefox/*",
    ".var/app/org.mozilla.firefox/.mozilla/firefox/*",
    "Library/Application Support/Firefox/Profiles/*",
)
NSS_LIMIT_S = 30
END = "-----END CERTIFICATE-----"


class Held(Enum):
    """What a store has of ours."""

    NOTHING = "no"
    OLDER = "an older certificate"
    THIS = "yes"


@dataclass(frozen=True, slots=True)
class Step:
    """A command; one that `may_fail` takes away what need not be there."""

    words: tuple[str, ...]
    may_fail: bool = False

    def __str__(self) -> str:
        line = subprocess.list2cmdline(self.words) if sys.platform == "win32" else shlex.join(self.words)
        return f"{line} || true" if self.may_fail and sys.platform != "win32" else line


@dataclass(frozen=True, slots=True)
class TrustStore:
    """One of them. `kind` is the word for it on the command line, `listed` gives its certificates of ours, as PEM."""

    kind: str
    name: str
    install: tuple[Step, ...]
    uninstall: tuple[Step, ...]
    listed: Callable[[], str]

    def held(self, certificate: Path) -> Held:
        """Whether it trusts that certificate."""
        found = {_der(f"{part}{END}") for part in self.listed().split(END)[:-1]}
        if not found:
            return Held.NOTHING
        return Held.THIS if _der(certificate.read_text()) in found else Held.OLDER


@dataclass(frozen=True, slots=True)
class Anchors:
    """How Linux distributions have it: a file in a folder, and a program that takes it up, and one that lets it go."""

    distribution: str
    folder: str
    ending: str
    refresh: tuple[str, ...]
    forget: tuple[str, ...]


UPDATE, TRUST = ("update-ca-certificates",), ("update-ca-trust",)
# Without it Debian's program leaves links to the file that is gone (seen with 20230311, 2026-11).
FRESH = (*UPDATE, "--fresh")
DISTRIBUTIONS = (
    Anchors("Debian, Ubuntu, Alpine", "/usr/local/share/ca-certificates", ".crt", UPDATE, FRESH),
    Anchors("Fedora, RHEL", "/etc/pki/ca-trust/source/anchors", ".pem", (*TRUST, "extract"), (*TRUST, "extract")),
    Anchors("Arch", "/etc/ca-certificates/trust-source/anchors", ".crt", TRUST, TRUST),
    Anchors("openSUSE", "/etc/pki/trust/anchors", ".pem", UPDATE, FRESH),
)
# Debian copies its list into Java's and never takes anything out of there (ca-certificates-java 20230710, 2026-11).
JAVA_STORE = Path("/etc/ssl/certs/java/cacerts")


def trust_stores(certificate: Path, user: Path, platform: str = sys.platform) -> tuple[TrustStore, ...]:
    """Those of this machine and the person whose own folder is `user`, the system's first."""
    return (*SYSTEMS.get(platform, _linux)(certificate, user), *_browsers(certificate, user, platform))


def _linux(certificate: Path, _: Path) -> tuple[TrustStore, ...]:
    found = (kind for kind in DISTRIBUTIONS if Path(kind.folder).is_dir() and shutil.which(kind.refresh[0]))
    return tuple(anchored(kind, certificate) for kind in found)[:1]


def anchored(kind: Anchors, certificate: Path) -> TrustStore:
    """The list of a Linux system: for every user, hence by root."""
    file = Path(kind.folder) / f"{NAME}{kind.ending}"
    root = () if os.geteuid() == 0 else ("sudo",)
    remove = [Step((*root, "rm", "-f", str(file))), Step((*root, *kind.forget))]
    if JAVA_STORE.is_file() and shutil.which("keytool"):
        java = ("keytool", "-delete", "-keystore", str(JAVA_STORE), "-storepass", "changeit")
        remove.append(Step((*root, *java, "-alias", f"debian:{NAME}.pem"), may_fail=True))
    return TrustStore(
        "system",
        f"the system's list, for all users ({kind.distribution})",
        (Step((*root, "install", "-m", "0644", str(certificate), str(file))), Step((*root, *kind.refresh))),
        tuple(remove),
        lambda: _text(file),
    )


def keychain(certificate: Path, user: Path) -> tuple[TrustStore, ...]:
    """macOS asks for the person's password. `delete-certificate` takes one at a time and fails where there is none."""
    chain = str(user / KEYCHAIN)
    add = ("security", "add-trusted-cert", "-r", "trustRoot", "-p", "ssl", "-k", chain, str(certificate))
    listing = ("security", "find-certificate", "-a", "-p", "-c", NAME, chain)
    remove = Step(("security", "delete-certificate", "-c", NAME, "-t", chain), may_fail=True)
    name = "the login keychain (Safari, Chrome, what uses macOS's own TLS)"
    return (TrustStore("system", name, (remove, Step(add)), (remove,), lambda: _said(listing)),)


def windows(certificate: Path, _: Path) -> tuple[TrustStore, ...]:
    """The person's own store: needs no administrator, and Windows itself asks once more."""
    remove = Step(("certutil", "-user", "-delstore", "Root", NAME), may_fail=True)
    add = Step(("certutil", "-user", "-addstore", "Root", str(certificate)))
    name = "your Windows root store (Edge, Chrome, what uses Windows' own TLS)"
    return (TrustStore("system", name, (remove, add), (remove,), _windows_roots),)


SYSTEMS: Mapping[str, Callable[[Path, Path], tuple[TrustStore, ...]]] = {"darwin": keychain, "win32": windows}


def _browsers(certificate: Path, user: Path, platform: str) -> tuple[TrustStore, ...]:
    """Each database of NSS that is there, and Chromium's where it has none yet; none without NSS's certutil."""
    program = None if platform == "win32" else shutil.which("certutil")  # Windows has another program of that name
    if program is None:
        return ()
    chromiums = [user / folder for folder in NSS_FOLDERS if (user / folder / "cert9.db").is_file()]
    if not chromiums and any(map(shutil.which, CHROMIUMS)):
        chromiums = [user / NSS_FOLDERS[0]]
    firefoxes = [Path(found) for kind in FIREFOXES for found in sorted(glob.glob(str(user / kind)))]  # noqa: PTH207
    named = [("Chromium", folder) for folder in chromiums]
    named += [("Firefox", folder) for folder in firefoxes if (folder / "cert9.db").is_file()]
    return tuple(database(browser, folder, certificate, program) for browser, folder in named)


def database(browser: str, folder: Path, certificate: Path, certutil: str = "certutil") -> TrustStore:
    """A database of NSS; `C,,` trusts an authority for web servers, and not for mail or programs."""
    place = (certutil, "-d", f"sql:{folder}")
    remove = Step((*place, "-D", "-n", NAME), may_fail=True)
    made = () if (folder / "cert9.db").is_file() else _made(folder, place)
    add = Step((*place, "-A", "-t", "C,,", "-n", NAME, "-i", str(certificate)))
    listing = (*place, "-L", "-n", NAME, "-a")
    return TrustStore("browsers", f"{browser} ({folder})", (*made, remove, add), (remove,), lambda: _said(listing))


def _made(folder: Path, place: tuple[str, ...]) -> tuple[Step, ...]:
    return Step(("mkdir", "-p", "-m", "0700", str(folder))), Step((*place, "-N", "--empty-password"))


def _said(words: tuple[str, ...]) -> str:
    """What a program lists; nothing where it knows of none, or is not there."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=NSS_LIMIT_S)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError):
        return ""


def _windows_roots() -> str:
    if sys.platform != "win32":
        return ""
    ours = (der for der, _, _ in ssl.enum_certificates("ROOT") if NAME.encode() in der)
    return "".join(map(ssl.DER_cert_to_PEM_cert, ours))


def _der(text: str) -> bytes:
    return ssl.PEM_cert_to_DER_cert(text[text.index("-----BEGIN CERTIFICATE-----") :].strip())
