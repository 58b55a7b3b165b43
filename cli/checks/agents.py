"""Of the agents: each comes through a proxy to an answer and back, on this machine alone.

Without `--agents` a request of the agent's kind is made as its variables would have it made: through that proxy, with
these certificates and no others. With it, the agent itself is run once, in a home of its own and with keys that are
none. What Node and rustls make of the certificate is tried by our tests; what this machine's variables and files do
is what can be otherwise here.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ringlet_mitm.addons.installed_agents import InstalledAgent
from ringlet_mitm.cli.checks.certificates import authority
from ringlet_mitm.cli.checks.finding import Finding, State, broken, ok, skipped, warning
from ringlet_mitm.cli.checks.local_vendor import ANY, Stage, stage
from ringlet_mitm.cli.checks.scene import Scene
from ringlet_mitm.cli.demo.upstream import SOCKET
from ringlet_mitm.cli.request_files import PATHS
from ringlet_mitm.rules.agents import AgentPreset, presets
from ringlet_mitm.rules.errors import RingletError
from ringlet_mitm.rules.shapes import WireFormat
from ringlet_mitm.rules.variables import variables_of

ANSWER_S = 10.0
AGENT_S = 90.0
PROMPT = "Say hello in one word. Use no tools."
NO_KEY = "of-the-doctor-and-no-key"
# What agents ask for before they send anything.
KEY_VARIABLES = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "CODEX_API_KEY", "GEMINI_API_KEY", "XAI_API_KEY")
KEPT = ("PATH", "LANG", "LC_ALL", "TERM", "SHELL", "SYSTEMROOT", "COMSPEC", "PATHEXT")
# Variables whose file a program takes beside its own list; all others replace it.
ADDS = ("NODE_EXTRA_CA_CERTS",)
BODIES: Mapping[WireFormat, dict[str, Any]] = {
    WireFormat.MESSAGES: {"model": ANY, "max_tokens": 16, "messages": [{"role": "user", "content": PROMPT}]},
    WireFormat.CHAT: {"model": ANY, "messages": [{"role": "user", "content": PROMPT}]},
    WireFormat.RESPONSES: {"model": ANY, "input": PROMPT},
    WireFormat.GEMINI: {"contents": [{"role": "user", "parts": [{"text": PROMPT}]}]},
}


def round_trips(scene: Scene) -> Iterator[Finding]:
    """One finding an agent."""
    routable = [one for one in scene.agents if one.preset.hosts]
    if not routable:
        install = next(preset.file.install for preset in presets() if preset.agent_id == "claude")
        yield warning("no agent that is known is on PATH or in the usual folders", install)
        return
    works = not any(one.state in (State.BROKEN, State.SKIPPED) for one in authority(scene))
    try:
        with stage(scene, uses_authority=works) as found:
            for one in routable:
                yield _run(one, found) if scene.starts_agents else _asked(one, found, scene.environ)
    except RingletError as error:
        yield broken(str(error), f"ringlet-mitm serve --profile {scene.name}")
    for one in scene.agents:
        if not one.preset.hosts:
            yield skipped(f"{one.preset.file.name} cannot be routed: it sends in a format of its own")


def _asked(agent: InstalledAgent, on: Stage, environ: Mapping[str, str]) -> Finding:
    """A request of its kind, and the answer."""
    preset = agent.preset
    variables = variables_of(preset, on.point, environ)
    place, host = urlsplit(variables["HTTPS_PROXY"]), preset.hosts[0].replace("*", ANY)
    mend = f"ringlet-mitm agents show {preset.agent_id}"
    try:
        line = http.client.HTTPSConnection(
            place.hostname or "", place.port, context=_trusting(variables), timeout=ANSWER_S
        )
        line.set_tunnel(host, 443)
        line.request("POST", *_request(preset))
        answer = line.getresponse()
        said = answer.read()
        line.close()
    except ssl.SSLCertVerificationError as error:
        return broken(f"{_name(agent)} would not trust the proxy: {error.verify_message}", "ringlet-mitm ca show")
    except (OSError, http.client.HTTPException) as error:
        return broken(f"{_name(agent)}: no answer through the proxy: {error}", mend)
    if answer.status != 200 or on.vendor.seen[-1].host != host:
        return broken(f"{_name(agent)}: {host} answered {answer.status}: {said[:200].decode(errors='replace')}", mend)
    return ok(f"{_name(agent)}: a request to {host} came through the proxy, and its answer back")


def _request(preset: AgentPreset) -> tuple[str, bytes, dict[str, str]]:
    """Path, body and headers of a small one."""
    wire_format = preset.file.formats[0]
    path = PATHS[wire_format].replace("{model}", ANY)
    agent = next(iter(preset.file.user_agents), ANY)
    headers = {"content-type": "application/json", "user-agent": f"{agent} (ringlet-mitm doctor)"}
    key = {"authorization": f"Bearer {NO_KEY}", "x-api-key": NO_KEY, "x-goog-api-key": NO_KEY}
    return path, json.dumps(BODIES[wire_format]).encode(), headers | key


def _trusting(variables: Mapping[str, str]) -> ssl.SSLContext:
    """What the agent's variables make it trust: its own list and a file, or a file alone."""
    added = [variables[name] for name in ADDS if name in variables]
    files = [
        value
        for name, value in variables.items()
        if name not in ADDS and name.endswith(("_CERT_FILE", "_BUNDLE", "_CERTIFICATE"))
    ]
    context = ssl.create_default_context(cafile=files[0]) if files else ssl.create_default_context()
    for file in added:
        context.load_verify_locations(file)
    return context


def _run(agent: InstalledAgent, on: Stage) -> Finding:
    """The agent itself, once."""
    file = agent.preset.file
    if not file.once:
        return skipped(f"{_name(agent)}: nobody has said how it is run without asking")
    on.vendor.seen.clear()
    with tempfile.TemporaryDirectory(prefix="ringlet-agent-", ignore_cleanup_errors=True) as folder:
        code, said = _ended(agent, _environment(agent.preset, on, Path(folder)), Path(folder))
    calls = sum(seen.method in ("POST", SOCKET) and seen.host in agent.preset.hosts for seen in on.vendor.seen)
    if calls and code == 0:
        return ok(
            f"{_name(agent)} ran and ended well; {calls} request{'' if calls == 1 else 's'} came through the proxy"
        )
    mend = f"ringlet-mitm agents show {agent.preset.agent_id}"
    how = f"did not end within {AGENT_S:.0f} s" if code is None else f"ended with code {code}"
    last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "nothing")
    if calls:
        # Its request came and was answered: what fails after that is not the way.
        return warning(f"{_name(agent)} came through the proxy, and {how}; it said: {last[:200]}", mend)
    return broken(f"{_name(agent)} {how}, and nothing came through the proxy; it said: {last[:200]}", mend)


def _environment(preset: AgentPreset, on: Stage, folder: Path) -> dict[str, str]:
    """No login and no key of the person's: a home that is empty, and keys that are none."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    keys = {name: f"{'sk-ant-' if name.startswith('ANTHROPIC') else 'sk-'}{NO_KEY}" for name in KEY_VARIABLES}
    homes = {"HOME": str(folder), "USERPROFILE": str(folder), "TMPDIR": str(folder)}
    variables = variables_of(preset, on.point, kept)
    return {**kept, **keys, **homes, **variables, **preset.file.once_variables}


def _ended(agent: InstalledAgent, environ: Mapping[str, str], folder: Path) -> tuple[int | None, str]:
    """Its exit code, None where it took too long, and what it said. What it left running is ended with it."""
    words = [str(agent.program), *(word.format(prompt=PROMPT) for word in agent.preset.file.once)]
    work = folder / "work"
    work.mkdir()
    process = subprocess.Popen(
        words,
        env=environ,
        cwd=work,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=sys.platform != "win32",
    )
    try:
        said, _ = process.communicate(timeout=AGENT_S)
        return process.returncode, said
    except subprocess.TimeoutExpired:
        _kill(process)
        return None, process.communicate()[0]
    finally:
        _kill(process)


def _kill(process: subprocess.Popen[str]) -> None:
    if sys.platform == "win32":
        process.kill()
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _name(agent: InstalledAgent) -> str:
    return f"{agent.preset.file.name} {agent.version}".rstrip()
