"""What keeps a proxy running from login on: systemd of the user, or launchd; their files, as texts.

Of systemd's hardening only what works without privileges: what needs a file system of its own (`ProtectSystem` and its
like) does nothing in a user's services, or needs user namespaces, which some machines forbid (systemd.exec(5), version
252, read 2026-11-21). `AF_NETLINK` is how the C library finds out which addresses a machine has.
"""

from __future__ import annotations

import plistlib
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PLAIN = frozenset(string.ascii_letters + string.digits + "_.")
# Where everything lives, said to a process that has none of a shell's variables.
PLACES = ("RINGLET_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")
# What is under way has 30 s to end (addons/ending.py), and its rows want to be stored.
STOP_S = 50

UNIT = """\
# Written by `ringlet-mitm service install --profile {profile}`, which also writes it anew.
[Unit]
Description=ringlet-mitm, the proxy of profile {profile}
StartLimitIntervalSec=120
StartLimitBurst=5

[Service]
Type=exec
ExecStart={command}
{places}# Keys that are not in config.toml or a keyring, as NAME=value.
EnvironmentFile=-{keys}
Environment=PYTHONUNBUFFERED=1
Restart=on-failure
RestartSec=2
# SIGTERM is for the proxy alone: it has its last rows stored by a process of its own.
KillMode=mixed
TimeoutStopSec={stop_s}
UMask=0077
NoNewPrivileges=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native

[Install]
WantedBy=default.target
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A proxy that shall run: the words that start it, the variables that say where everything lives.

    `keys` is a file of variables, which only systemd reads; `log` is where launchd has the proxy write.
    """

    profile: str
    words: tuple[str, ...]
    places: Mapping[str, str]
    keys: Path
    log: Path


@dataclass(frozen=True, slots=True)
class Written:
    """A file for a supervisor, and what a person types: to have it run, to follow what it says, to end it.

    `links` are what the supervisor itself makes to have it run at login.
    """

    path: Path
    text: str
    links: tuple[Path, ...]
    begin: tuple[str, ...]
    end: tuple[str, ...]
    state: tuple[str, ...]
    follow: str


def systemd(wanted: Wanted, environ: Mapping[str, str], person: str) -> Written:
    """A unit of the user's own systemd; it logs to the journal."""
    folder = environ.get("XDG_CONFIG_HOME") or f"{person}/.config"
    name = f"ringlet-mitm-{_unit_name(wanted.profile)}.service"
    places = "".join(f"Environment={_quoted(f'{name}={value}')}\n" for name, value in wanted.places.items())
    text = UNIT.format(
        profile=wanted.profile.replace("%", "%%"),
        command=" ".join(_quoted(word, command=True) for word in wanted.words),
        places=places,
        keys=str(wanted.keys).replace("%", "%%"),
        stop_s=STOP_S,
    )
    shown = f"'{name}'" if "\\" in name else name
    units = Path(folder) / "systemd" / "user"
    return Written(
        path=units / name,
        text=text,
        links=(units / "default.target.wants" / name,),
        begin=("systemctl --user daemon-reload", f"systemctl --user enable --now {shown}"),
        end=(f"systemctl --user stop {shown}", "systemctl --user daemon-reload"),
        state=("systemctl", "--user", "is-active", name),
        follow=f"journalctl --user -f -u {shown}",
    )


def launchd(wanted: Wanted, environ: Mapping[str, str], person: str) -> Written:
    """An agent of the user's launchd; it logs into our file, since launchd bounds none."""
    label = f"ringlet-mitm.{wanted.profile}"
    path = Path(person) / "Library" / "LaunchAgents" / f"{label}.plist"
    data = {
        "Label": label,
        "ProgramArguments": [*wanted.words, "--log", str(wanted.log)],
        "EnvironmentVariables": {**wanted.places, "PYTHONUNBUFFERED": "1"},
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ExitTimeOut": STOP_S,
        "Umask": 0o077,
        "StandardOutPath": str(wanted.log),
        "StandardErrorPath": str(wanted.log),
    }
    return Written(
        path=path,
        text=plistlib.dumps(data, sort_keys=False).decode(),
        links=(),
        begin=(f"launchctl bootstrap gui/$(id -u) '{path}'",),
        end=(f"launchctl bootout gui/$(id -u)/{label}",),
        state=("launchctl", "list", label),
        follow=f"ringlet-mitm logs -f --profile {wanted.profile}",
    )


SUPERVISORS = {"systemd": systemd, "launchd": launchd}


def _unit_name(text: str) -> str:
    """As `systemd-escape` writes it."""
    return "".join(
        chr(byte) if chr(byte) in PLAIN and not (byte == ord(".") and place == 0) else f"\\x{byte:02x}"
        for place, byte in enumerate(text.encode())
    )


def _quoted(word: str, *, command: bool = False) -> str:
    """One word of a unit file; in a command line `$` begins a variable as well."""
    text = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    text = text.replace("$", "$$") if command else text
    return f'"{text}"' if not word or set(word) - PLAIN - set("/-=:+,@") else text
