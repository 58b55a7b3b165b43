"""A proxy beside an agent, and how the agent is led to it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from clients import StartProxy
from promises.tables import Promise, held

from ringlet_mitm.cli.background import proxies
from ringlet_mitm.cli.demo.stage import environment, program
from ringlet_mitm.rules.home import home_of


def run(home: Path, words: list[str]) -> str:
    environ = environment(home, {})
    done = subprocess.run(program(*words), env=environ, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


@held("sidecar")
def test_it_comes_and_goes_with_the_profiles_agent(promise: Promise, home_folder: Path) -> None:
    home = home_of({"RINGLET_HOME": str(home_folder)})
    words = [*promise["words"][:-1], f"{promise['words'][-1]}; ls {home.snapshots_dir}"]
    url, snapshot = run(home_folder, words).split()
    assert url.startswith("http://127.0.0.1:")
    assert snapshot.startswith("work.")
    assert proxies(home, "work") == []


@held("pointed")
def test_it_is_pointed_at_the_proxy(promise: Promise, start_proxy: StartProxy) -> None:
    proxy = start_proxy("")
    said = dict(line.partition("=")[::2] for line in run(proxy.home, promise["words"]).splitlines())
    assert said[promise["variable"]] == promise["url"].format(port=proxy.port)
    assert {name for name in said if name.endswith("_BASE_URL")} <= set(os.environ)
