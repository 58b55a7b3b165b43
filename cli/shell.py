"""`ringlet-mitm env`: the variables that send an agent through the proxy and let it trust our certificates.

Each is there for programs seen to need it (2026-11): `NODE_EXTRA_CA_CERTS` for Claude Code, Gemini CLI and OpenCode,
`SSL_CERT_FILE` and `CODEX_CA_CERTIFICATE` for Codex and other Rust programs (they replace the system's list, hence a
bundle), `REQUESTS_CA_BUNDLE` for Python, `NODE_USE_ENV_PROXY` for Node programs that use plain `fetch`. `NO_PROXY`
keeps agents' own loopback servers reachable. git's variable is not among them: what git fetches is not decrypted.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.profiles import Profile, list_profiles, load_profile

LOOPBACK = ("localhost", "127.0.0.1", "::1")
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True, slots=True)
class Shell:
    """How a shell sets and unsets a variable."""

    set: Callable[[str, str], str]
    unset: Callable[[str], str]


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _powershell_quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


POSIX = Shell(lambda name, value: f"export {name}={shlex.quote(value)}", lambda name: f"unset {name}")
SHELLS: dict[str, Shell] = {
    "bash": POSIX,
    "zsh": POSIX,
    "fish": Shell(lambda name, value: f"set -gx {name} {_fish_quoted(value)};", lambda name: f"set -e {name};"),
    "powershell": Shell(
        lambda name, value: f"$env:{name} = {_powershell_quoted(value)}",
        lambda name: f"Remove-Item -ErrorAction SilentlyContinue Env:{name}",
    ),
}


@click.command()
@click.option("--profile", "name", help="Profile; without it, the only one there is.")
@click.option("--shell", type=click.Choice(list(SHELLS)), help="Shell to print for; found out from $SHELL.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port, where the proxy was started with another.")
@click.option("--unset", is_flag=True, help="Print what takes them back.")
def command(name: str | None, shell: str | None, port: int | None, unset: bool) -> None:
    """Print the variables that send an agent through the proxy.

    Use it as:  eval "$(ringlet-mitm env --profile work)"
    """
    spoken = SHELLS[shell or _shell_of(os.environ)]
    home = home_of(os.environ)
    if unset:
        lines = [spoken.unset(variable) for variable in variables("", Path(), Path(), "")]
    else:
        profile = named_or_only(home, name)
        certificate, bundle = _certificates(home)
        values = variables(proxy_url(profile, port), certificate, bundle, os.environ.get("NO_PROXY", ""))
        lines = [spoken.set(variable, value) for variable, value in values.items()]
    click.echo("\n".join(lines))


def variables(url: str, certificate: Path, bundle: Path, no_proxy: str) -> dict[str, str]:
    """Every variable and its value; hosts that `no_proxy` has already stay in."""
    around = [host for host in (part.strip() for part in no_proxy.split(",")) if host]
    hosts = ",".join(dict.fromkeys((*LOOPBACK, *around)))
    return {
        "HTTPS_PROXY": url,
        "HTTP_PROXY": url,
        "https_proxy": url,
        "http_proxy": url,
        "NO_PROXY": hosts,
        "no_proxy": hosts,
        "NODE_EXTRA_CA_CERTS": str(certificate),
        "NODE_USE_ENV_PROXY": "1",
        "SSL_CERT_FILE": str(bundle),
        "CODEX_CA_CERTIFICATE": str(bundle),
        "REQUESTS_CA_BUNDLE": str(bundle),
    }


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


def reachable(host: str) -> str:
    """Where a proxy is reached that listens on `host`."""
    return ANY_ADDRESS.get(host, host)


def proxy_url(profile: Profile, port: int | None = None) -> str:
    """The proxy's address, for agents; `port` stands for the profile's own."""
    host = reachable(profile.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port or profile.port}"


def _certificates(home: Home) -> tuple[Path, Path]:
    """Our certificate, and the bundle of the system's and ours; made if the proxy has not yet."""
    certificate, bundle = home.ca_dir / "mitmproxy-ca-cert.pem", home.ca_dir / "bundle.pem"
    if not (certificate.is_file() and bundle.is_file()):
        from ringlet_mitm.addons.authority import ensure  # 0.3 s of mitmproxy, only where they are missing

        made = ensure(home.ca_dir)
        certificate, bundle = made.certificate, made.bundle
    return certificate, bundle


def _shell_of(environ: Mapping[str, str]) -> str:
    """The shell in `$SHELL`; on Windows without one it is PowerShell, elsewhere what bash understands."""
    name = Path(environ.get("SHELL", "")).name
    if name in SHELLS:
        return name
    return "powershell" if os.name == "nt" and not name else "bash"
