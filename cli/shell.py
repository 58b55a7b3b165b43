"""A shell and the proxy: how variables are set in it, which profile and agent are meant, where the proxy is."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from ringlet_mitm.addons.credentials.proxy_login import with_login
from ringlet_mitm.cli.proxy_health import reachable
from ringlet_mitm.rules.agents import AgentPreset, preset_of, presets
from ringlet_mitm.rules.errors import UsageError, nearest
from ringlet_mitm.rules.home import Home
from ringlet_mitm.rules.interception import HostPolicy
from ringlet_mitm.rules.profiles import Profile, list_profiles, load_profile
from ringlet_mitm.rules.variables import Point, kept_certificates
from ringlet_mitm.rules.whole_files import write_whole

PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Shell:
    """How a shell sets and unsets a variable."""

    set: Callable[[str, str], str]
    unset: Callable[[str], str]

    def lines(self, values: Mapping[str, str | None]) -> list[str]:
        """One a variable; None unsets it."""
        return [self.unset(name) if value is None else self.set(name, value) for name, value in values.items()]


def fish_quoted(text: str) -> str:
    """As one word of fish."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def powershell_quoted(text: str) -> str:
    """As one word of PowerShell."""
    return "'" + text.replace("'", "''") + "'"


POSIX = Shell(lambda name, value: f"export {name}={shlex.quote(value)}", lambda name: f"unset {name}")
SHELLS: dict[str, Shell] = {
    "bash": POSIX,
    "zsh": POSIX,
    "fish": Shell(lambda name, value: f"set -gx {name} {fish_quoted(value)};", lambda name: f"set -e {name};"),
    "powershell": Shell(
        lambda name, value: f"$env:{name} = {powershell_quoted(value)}",
        lambda name: f"Remove-Item -ErrorAction SilentlyContinue Env:{name}",
    ),
}


def named_agent(agent: str) -> AgentPreset:
    """The agent of that id; raises UsageError with the nearest that there is."""
    found = preset_of(agent)
    if found is None:
        known = [preset.agent_id for preset in presets()]
        guess = nearest(agent, known)
        raise UsageError(f"no agent '{agent}'; " + (f"is it '{guess}'?" if guess else f"known are {', '.join(known)}"))
    return found


def point_of(home: Home, profile: Profile, environ: Mapping[str, str], port: int | None = None) -> Point:
    """Where agents find the profile's proxy; `port` stands for the profile's own. Makes the authority if need be."""
    certificate, bundle = _certificates(home, profile)
    url = with_login(proxy_url(profile, port), profile, environ)
    point = Point(url, certificate, bundle, tuple(profile.intercept))
    return replace(point, bundle=_widened(bundle, kept_certificates(point, environ)))


def named_or_only(home: Home, name: str | None) -> Profile:
    """The profile of that name, or the only one there is; raises UsageError where nobody can tell which is meant."""
    if name is not None:
        return load_profile(home, name)
    names = list_profiles(home)
    if len(names) == 1:
        return load_profile(home, names[0])
    if names:
        raise UsageError(f"say which profile with --profile; there are {', '.join(names)}")
    raise UsageError("there is no profile yet; start one with: ringlet-mitm --profile NAME")


def proxy_url(profile: Profile, port: int | None = None) -> str:
    """The proxy's address, for agents; `port` stands for the profile's own."""
    host = reachable(profile.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port or profile.port}"


def shell_of(environ: Mapping[str, str]) -> str:
    """The shell in `$SHELL`; on Windows without one it is PowerShell, elsewhere what bash understands."""
    name = Path(environ.get("SHELL", "")).name
    if name in SHELLS:
        return name
    return "powershell" if os.name == "nt" and not name else "bash"


def _certificates(home: Home, profile: Profile) -> tuple[Path, Path]:
    """Our certificate, and the bundle of the system's and ours; made if the proxy has not yet."""
    certificate, bundle = home.ca_dir / "mitmproxy-ca-cert.pem", home.ca_dir / "bundle.pem"
    if not (certificate.is_file() and bundle.is_file()):
        from ringlet_mitm.addons.authority import ensure  # 0.1 s of cryptography, only where they are missing

        made = ensure(home.ca_dir, HostPolicy.of(presets(), profile.intercept).hosts)
        certificate, bundle = made.certificate, made.bundle
    return certificate, bundle


def _widened(bundle: Path, theirs: Iterable[Path]) -> Path:
    """`bundle`, or one beside it that also holds what is in the files of `theirs` and not in it.

    It is named after what it adds, since another shell may know no such certificates, or others. Hosts that our
    certificate is extended to later are not in it before the next `env` or `run`.
    """
    known = bundle.read_bytes()
    more: dict[bytes, None] = {}
    for path in theirs:
        with suppress(OSError):  # what cannot be read, no program of theirs could have read either
            more |= dict.fromkeys(block for block in PEM.findall(path.read_bytes()) if block not in known)
    if not more:
        return bundle
    added = b"\n".join(more)
    wider = bundle.with_name(f"bundle-{sha256(added).hexdigest()[:12]}.pem")
    text = b"\n".join((known.rstrip(), added, b""))
    if not wider.is_file() or wider.read_bytes() != text:
        write_whole(wider, text)
    return wider
