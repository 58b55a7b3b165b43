"""The environment variables that lead a program through the proxy and let it trust our certificates.

Which ones an agent reads is data (`variables` in its file); here is what they become on one machine. Four rules:

- A proxy's variable is set in capitals and in small letters. Either will do (Claude Code, Codex, OpenCode and Gemini
  CLI take both, tried 2026-11-21), but a person behind an office proxy may have the one that goes first.
- `NO_PROXY` keeps what was there and names loopback: no call needs it (tried as well), but agents have servers of their
  own there, and the proxy refuses loopback. What would lead the agent's own host past the proxy is taken out.
- Where a person has named certificates of their own, all such variables get the bundle, which has to hold theirs as
  well (`kept_certificates` says which files): Node and OpenSSL take one file each.
- `RINGLET_BEFORE` says what we have set and what was there before, so that a second call finds the person's own
  values instead of ours, and so that they can be given back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ringlet_mitm.rules.agents import AgentPreset, all_hosts, presets

LOOPBACK = ("localhost", "127.0.0.1", "::1")
PROXIES = ("HTTPS_PROXY", "HTTP_PROXY")
PASSED_BY = ("NO_PROXY", "no_proxy")
BEFORE = "RINGLET_BEFORE"
# In everything that `run` starts, and in what that leaves behind; the profile.
RUN_BY = "RINGLET_RUN_BY"
# No agent needs it for its model calls, which are all https; but some program reads only this one for everything.
ALSO_FOR_STRANGERS = {"HTTP_PROXY": "{url}"}
# Where a person may have named certificates of their own, as behind an office proxy that decrypts.
CERTIFICATES = ("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "CODEX_CA_CERTIFICATE")


@dataclass(frozen=True, slots=True)
class Point:
    """Where a proxy is: its address, our certificate, and the bundle of the system's certificates and ours.

    `hosts` are those that the profile decrypts beside the agents' (its `intercept`).
    """

    url: str
    certificate: Path
    bundle: Path
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gap:
    """A variable that does not lead through the proxy, and why."""

    variable: str
    why: str


def variables_of(preset: AgentPreset | None, point: Point, around: Mapping[str, str]) -> dict[str, str]:
    """What to set for an agent, or for any program where `preset` is None, by name; `around` is the environment."""
    theirs = without_ours(around)
    templates = _generic() if preset is None else preset.file.variables
    certificate = point.bundle if kept_certificates(point, theirs) else point.certificate
    filled = {
        name: template.format(url=point.url, certificate=certificate, bundle=point.bundle)
        for name, template in ({"HTTPS_PROXY": "{url}"} | dict(templates)).items()
    }
    lower = {name.lower(): filled[name] for name in PROXIES if name in filled}
    passed = ",".join(passed_by(theirs, _hosts(preset, point)))
    values = filled | lower | dict.fromkeys(PASSED_BY, passed)
    return values | {BEFORE: json.dumps({name: [value, theirs.get(name)] for name, value in values.items()})}


def passed_by(around: Mapping[str, str], hosts: Iterable[str]) -> tuple[str, ...]:
    """What goes past the proxy: loopback, and what the environment says but for what hides one of `hosts`."""
    hosts = tuple(hosts)
    kept = [entry for entry in _entries(around) if not hidden_by(entry, hosts)]
    return tuple(dict.fromkeys((*LOOPBACK, *kept)))


def hidden_by(entry: str, hosts: Iterable[str]) -> tuple[str, ...]:
    """Those of `hosts` that an entry of `NO_PROXY` leads past the proxy.

    `*` is every host; `example.com`, `.example.com` and `*.example.com` are that name and all below: programs differ in
    which of these they take for the name alone, so the widest reading counts.
    """
    name = entry.partition(":")[0] if entry.count(":") == 1 else entry
    if name == "*":
        return tuple(hosts)
    name = name.lower().removeprefix("*").removeprefix(".")
    return tuple(host for host in hosts if name and f".{host.removeprefix('*.')}".endswith(f".{name}"))


def kept_certificates(point: Point, around: Mapping[str, str]) -> tuple[Path, ...]:
    """Files of certificates that the environment names beside ours: the bundle must hold them too."""
    theirs = without_ours(around)
    named = [Path(theirs[name]) for name in CERTIFICATES if theirs.get(name)]
    return tuple(dict.fromkeys(path for path in named if path.parent != point.certificate.parent))


def given_back(around: Mapping[str, str]) -> dict[str, str | None]:
    """What undoes our variables: each that still has the value we gave it, and what it had before (None: unset it)."""
    said = _said(around)
    return {name: before for name, (ours, before) in said.items() if around.get(name) == ours} | (
        {BEFORE: None} if BEFORE in around else {}
    )


def without_ours(around: Mapping[str, str]) -> dict[str, str]:
    """The environment as it was before we set anything in it."""
    back = given_back(around)
    kept = {name: value for name, value in around.items() if name not in back}
    return kept | {name: value for name, value in back.items() if value is not None}


def gaps(preset: AgentPreset, point: Point, around: Mapping[str, str]) -> tuple[Gap, ...]:
    """Why an agent started in this environment would not come through the proxy; empty where it would."""
    found = []
    for name, value in variables_of(preset, point, around).items():
        if name not in (*PASSED_BY, BEFORE) and _counts(name, around):
            found += _gap(name, value, point, around)
    for entry in _entries(around):
        hidden = hidden_by(entry, preset.hosts)
        found += [Gap("NO_PROXY", f"{entry} leads {', '.join(hidden)} past the proxy")] if hidden else []
    for name in preset.file.base_urls:
        url = around.get(name, "")
        found += [Gap(name, f"sends it to {_shown(url)} instead")] if url and not url.startswith(point.url) else []
    return tuple(found)


def _counts(name: str, around: Mapping[str, str]) -> bool:
    """A proxy's variable is enough in one spelling; each that is there has to be right."""
    if name.upper() not in PROXIES or around.get(name):
        return True
    return name.isupper() and not around.get(name.lower())


def _gap(name: str, value: str, point: Point, around: Mapping[str, str]) -> list[Gap]:
    said = around.get(name, "")
    if not said:
        return [Gap(name, "is not set")]
    if name in CERTIFICATES:
        return [] if Path(said).parent == point.certificate.parent else [Gap(name, f"is {said}, which is not ours")]
    same = said.rstrip("/").replace("//localhost:", "//127.0.0.1:") == value.replace("//localhost:", "//127.0.0.1:")
    return [] if same else [Gap(name, f"is {_shown(said)}, not {_shown(value)}")]


def _shown(url: str) -> str:
    """Without the name and password that the URL of an office's proxy may have."""
    return re.sub(r"//[^/@]*@", "//…@", url)


def _generic() -> dict[str, str]:
    """What a program gets of which nothing is known: what any agent reads."""
    return {name: template for one in presets() for name, template in one.file.variables.items()} | ALSO_FOR_STRANGERS


def _hosts(preset: AgentPreset | None, point: Point) -> frozenset[str]:
    return all_hosts(presets() if preset is None else (preset,)) | set(point.hosts)


def _entries(around: Mapping[str, str]) -> list[str]:
    """What `NO_PROXY` says; programs take commas, and some of them spaces."""
    said = " ".join(around.get(name, "") for name in PASSED_BY)
    return list(dict.fromkeys(entry for entry in re.split(r"[\s,]+", said) if entry))


def _said(around: Mapping[str, str]) -> dict[str, tuple[str, str | None]]:
    """What `RINGLET_BEFORE` says: by name, our value and the one before. It may be anybody's text."""
    try:
        said = json.loads(around.get(BEFORE, "{}"))
        pairs = {str(name): (str(ours), before) for name, (ours, before) in said.items()}
    except (ValueError, TypeError, AttributeError):
        return {}
    return {name: (ours, before) for name, (ours, before) in pairs.items() if before is None or isinstance(before, str)}
