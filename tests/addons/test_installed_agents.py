"""Which agents are on a machine, and their versions without starting them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ringlet_mitm.addons.installed_agents import installed_agents, version_of


def program(path: Path, text: str = "#!/bin/sh\nexit 1\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def found(tmp_path: Path, **environ: str) -> dict[str, tuple[str, str, bool]]:
    around = {"HOME": str(tmp_path), "PATH": str(tmp_path / "bin"), **environ}
    there = installed_agents(around)
    own = [one for one in there if one.program.is_relative_to(tmp_path)]
    return {one.preset.agent_id: (str(one.program.relative_to(tmp_path)), one.version, one.named) for one in own}


def test_programs_on_path(tmp_path: Path) -> None:
    program(tmp_path / "bin/claude")
    program(tmp_path / "bin/cursor-agent")
    program(tmp_path / "bin/codexes")
    assert found(tmp_path) == {"claude": ("bin/claude", "", True), "cursor": ("bin/cursor-agent", "", True)}


def test_usual_folders_beside_path(tmp_path: Path) -> None:
    program(tmp_path / ".opencode/bin/opencode")
    program(tmp_path / ".local/bin/aider")
    assert found(tmp_path) == {
        "aider": (".local/bin/aider", "", False),
        "opencode": (".opencode/bin/opencode", "", False),
    }


def test_path_goes_first(tmp_path: Path) -> None:
    program(tmp_path / ".local/bin/claude")
    program(tmp_path / "bin/claude")
    assert found(tmp_path) == {"claude": ("bin/claude", "", True)}


def test_what_cannot_be_run_is_no_program(tmp_path: Path) -> None:
    program(tmp_path / "bin/claude").chmod(0o644)
    assert found(tmp_path) == {}


def npm(folder: Path) -> Path:
    real = program(folder / "lib/node_modules/@openai/codex/bin/codex.js")
    (real.parent.parent / "package.json").write_text(json.dumps({"name": "@openai/codex", "version": "0.169.0"}))
    return real


def native(folder: Path) -> Path:
    return program(folder / ".local/share/claude/versions/2.1.197")


def brewed(folder: Path) -> Path:
    return program(folder / "Cellar/codex/0.169.0/bin/codex")


def dated(folder: Path) -> Path:
    return program(folder / "cursor-agent/versions/2026.02.27-e7d2ef6/cursor-agent")


def python(folder: Path) -> Path:
    info = folder / "tool/lib/python3.12/site-packages/aider_chat-0.86.1.dist-info"
    info.mkdir(parents=True)
    (info / "entry_points.txt").write_text("[console_scripts]\naider = aider.main:main\n")
    other = folder / "tool/lib/python3.12/site-packages/other-9.9.dist-info"
    other.mkdir()
    (other / "entry_points.txt").write_text("[console_scripts]\naiders = x:main\n")
    return program(folder / "tool/bin/aider")


def broken(folder: Path) -> Path:
    real = program(folder / "node_modules/x/bin/x.js")
    (real.parent.parent / "package.json").write_text("{")
    return real


def nobody(folder: Path) -> Path:
    return program(folder / "somewhere/claude")


@pytest.mark.parametrize(
    ("made", "version"),
    [
        (npm, "0.169.0"),
        (native, "2.1.197"),
        (brewed, "0.169.0"),
        (dated, "2026.02.27-e7d2ef6"),
        (python, "0.86.1"),
        (broken, ""),
        (nobody, ""),
    ],
)
def test_versions_from_files(tmp_path: Path, made: object, version: str) -> None:
    assert callable(made)
    link = tmp_path / "bin" / "agent"
    link.parent.mkdir()
    link.symlink_to(made(tmp_path))
    if made is python:
        link = tmp_path / "tool/bin/aider"
    assert version_of(link) == version


def test_its_acp_mode_is_known(tmp_path: Path) -> None:
    program(tmp_path / "bin/gemini")
    (one,) = [one for one in installed_agents({"HOME": str(tmp_path), "PATH": str(tmp_path / "bin")}) if one.named]
    assert one.acp == ("gemini", "--experimental-acp")
