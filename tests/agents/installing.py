"""npm brings the agents into a folder that git ignores; what is there in the right version is left alone."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from agents.roster import Agent, program_of

REACH_LIMIT_S = 30
INSTALL_LIMIT_S = 900


def missing(agents: Iterable[Agent], folder: Path) -> list[Agent]:
    """Those that are not there in the version that is asked for."""
    return [agent for agent in agents if _version(agent, folder) != agent.version]


def unreachable() -> str:
    """Why npm cannot be used here; "" where it can."""
    if shutil.which("npm") is None:
        return "there is no npm on this machine"
    try:
        done = subprocess.run(
            ["npm", "ping", "--fetch-retries=0"], capture_output=True, text=True, timeout=REACH_LIMIT_S
        )
    except subprocess.TimeoutExpired:
        return "the npm registry does not answer"
    return "" if done.returncode == 0 else "the npm registry is out of reach"


def install(agents: Iterable[Agent], folder: Path) -> None:
    """Raises CalledProcessError where npm fails and TimeoutExpired where it hangs; npm says why itself."""
    folder.mkdir(exist_ok=True)
    (folder / "package.json").touch()
    if not (folder / "package.json").read_text():
        (folder / "package.json").write_text('{"private": true}\n')
    wanted = [f"{agent.package}@{agent.version}" for agent in agents]
    words = ["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--loglevel=error", *wanted]
    subprocess.run(words, check=True, timeout=INSTALL_LIMIT_S)


def _version(agent: Agent, folder: Path) -> str:
    manifest = folder / "node_modules" / agent.package / "package.json"
    if not manifest.exists() or not program_of(folder, agent).exists():
        return ""
    return str(json.loads(manifest.read_text())["version"])
