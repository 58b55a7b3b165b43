"""Which coding agents are on this machine, and their versions as far as files say them. Nothing is started.

A version is read where it costs a look at the disk: in the package.json above a program from npm, in the folder that
an installer or Homebrew names after it, in the metadata of a Python package. `--version` would take a second each.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ringlet_mitm.addons.acp_agents import installed as installed_acp_agents
from ringlet_mitm.rules.agents import AgentPreset, presets

# Where npm, bun, pnpm, Volta, uv, pipx, cargo, Homebrew and Debian put programs; shells that are not a person's own
# (of an editor, of a service) often have not all of them on PATH.
USUAL = (
    *("~/.local/bin", "~/bin", "~/.npm-global/bin", "~/.bun/bin", "~/.volta/bin", "~/.local/share/pnpm"),
    *("~/Library/pnpm", "~/.cargo/bin", "/opt/homebrew/bin", "/home/linuxbrew/.linuxbrew/bin", "/usr/local/bin"),
)
VERSION = re.compile(r"v?(\d+\.\d+[\w.+-]*)")
DEPTH = 5  # folders between a program and its package.json


@dataclass(frozen=True, slots=True)
class InstalledAgent:
    """An agent whose program is there. `version` is "" where no file says it; `acp` starts it in ACP mode, if it can.

    `named` says that its name alone starts it: its folder is on PATH.
    """

    preset: AgentPreset
    program: Path
    version: str
    named: bool
    acp: tuple[str, ...] = ()


def installed_agents(environ: Mapping[str, str], known: Iterable[AgentPreset] | None = None) -> list[InstalledAgent]:
    """Those whose program is on the PATH of `environ` or in a folder where installers put it, in the presets' order."""
    acp = {agent.agent_id: agent.command for agent in installed_acp_agents(environ)}
    found = []
    for preset in presets() if known is None else known:
        program, named = _program(preset, environ)
        if program is not None:
            version = version_of(program)
            found.append(InstalledAgent(preset, program, version, named, acp.get(preset.agent_id, ())))
    return found


def version_of(program: Path) -> str:
    """What files beside a program say of its version, "" where they say nothing."""
    real = Path(os.path.realpath(program))
    return _of_npm(real) or _of_folder(real) or _of_python(real)


def _program(preset: AgentPreset, environ: Mapping[str, str]) -> tuple[Path | None, bool]:
    path = environ.get("PATH", os.defpath)
    home = environ.get("HOME") or environ.get("USERPROFILE") or str(Path.home())
    folders = [folder.replace("~", home, 1) for folder in (*preset.file.folders, *USUAL)]
    if environ.get("APPDATA"):
        folders.append(str(Path(environ["APPDATA"]) / "npm"))
    for name in preset.file.programs:
        there = shutil.which(name, path=path)
        if there:
            return Path(there), True
    for name in preset.file.programs:
        there = shutil.which(name, path=os.pathsep.join(folders))
        if there:
            return Path(there), False
    return None, False


def _of_npm(real: Path) -> str:
    """Of the nearest package.json, for a program below a node_modules."""
    if "node_modules" not in real.parts:
        return ""
    for folder in list(real.parents)[:DEPTH]:
        try:
            version = json.loads((folder / "package.json").read_text(encoding="utf-8")).get("version")
        except (OSError, ValueError, AttributeError):
            continue
        if isinstance(version, str):
            return version
    return ""


def _of_folder(real: Path) -> str:
    """…/versions/2.1.197, …/Cellar/codex/0.169.0/bin/codex, …/cursor-agent/versions/2026.02.27-e7d2ef6/cursor-agent."""
    found = (VERSION.fullmatch(part) for part in reversed(real.parts))
    return next((match[1] for match in found if match), "")


def _of_python(real: Path) -> str:
    """Of the package in the same environment that has a console script of this name."""
    script = re.compile(rf"^{re.escape(real.stem)}\s*=", re.MULTILINE)
    root = real.parent.parent
    patterns = ("lib/python*/site-packages", "Lib/site-packages")
    for entries in (one for place in patterns for one in root.glob(f"{place}/*.dist-info/entry_points.txt")):
        if script.search(entries.read_text(encoding="utf-8", errors="replace")):
            return entries.parent.name.removesuffix(".dist-info").rpartition("-")[2]
    return ""
