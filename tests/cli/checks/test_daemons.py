"""What earlier runs have left behind, among real processes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from left_behind import DAEMON, Begin

from ringlet_mitm.addons.installed_agents import InstalledAgent
from ringlet_mitm.cli.background import Running
from ringlet_mitm.cli.checks.finding import State
from ringlet_mitm.cli.checks.scene import scene_of
from ringlet_mitm.cli.checks.shell_and_port import daemons
from ringlet_mitm.rules.agents import preset_of
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.profiles import Profile, save_profile

HERE, GONE, OFFICE = "http://127.0.0.1:8484", "http://127.0.0.1:9999", "http://proxy.office.example:3128"


@pytest.mark.parametrize(
    ("led_to", "runs", "told"),
    [
        (GONE, True, f"goes to {GONE}"),
        (GONE, False, f"goes to {GONE}"),
        ("", True, "goes past the proxy"),
        ("", False, ""),
        (OFFICE, True, f"goes to {OFFICE}"),
        (OFFICE, False, ""),
        (HERE, True, ""),
    ],
    ids=["gone", "gone, none runs", "none", "none, none runs", "the office's", "the office's, none runs", "ours"],
)
def test_a_daemon(begin: Begin, tmp_path: Path, led_to: str, runs: bool, told: str) -> None:
    pid = begin(*DAEMON, **({"HTTPS_PROXY": led_to} if led_to else {}))
    environ = {"RINGLET_HOME": str(tmp_path), "HOME": str(tmp_path), "PATH": ""}
    home, codex = home_of(environ), preset_of("codex")
    save_profile(home, Profile(name="work"))
    assert codex is not None
    scene = replace(
        scene_of(home, "work", environ),
        agents=(InstalledAgent(codex, tmp_path / "codex", "", named=True),),
        running=Running("work", HERE, 8484, 1) if runs else None,
    )
    (found,) = daemons(scene)
    assert (found.state is State.WARNING) == bool(told)
    if told:
        assert found.words == f"codex ({pid}) of an earlier run {told}, and agents started now use it"
        assert found.mend == "codex app-server daemon stop"
