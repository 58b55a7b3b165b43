"""What agents leave running, found among real processes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from left_behind import DAEMON, Begin

from ringlet_mitm.cli.left_running import Left, ending, led_elsewhere, left_running, named
from ringlet_mitm.rules.agents import preset_of
from ringlet_mitm.rules.variables import RUN_BY

HERE, THERE = "http://127.0.0.1:8484", "http://127.0.0.1:9999"
CODEX, CLAUDE = preset_of("codex"), preset_of("claude")


@pytest.mark.parametrize(
    ("words", "variables", "found"),
    [
        (DAEMON, {"HTTPS_PROXY": HERE}, True),
        (DAEMON, {"https_proxy": "http://me:secret@localhost:8484/"}, True),
        (DAEMON, {"HTTPS_PROXY": THERE}, False),
        (DAEMON, {}, False),
        (DAEMON, {"HTTPS_PROXY": HERE, "HOME": "/home/other"}, False),
        (("codex", "exec"), {"HTTPS_PROXY": HERE}, False),
        (("dev-server",), {"HTTPS_PROXY": HERE, RUN_BY: "work"}, True),
        (("dev-server",), {"HTTPS_PROXY": HERE}, False),
        (("dev-server",), {"HTTPS_PROXY": "http://[", RUN_BY: "work"}, False),
    ],
    ids=[
        "a daemon", "with a login", "another proxy's", "nobody's", "another person's", "no daemon", "an agent's child",
        "from a shell with our variables", "no address",
    ],
)  # fmt: skip
def test_what_is_led_to_a_proxy(
    begin: Begin, tmp_path: Path, words: tuple[str, ...], variables: dict[str, str], found: bool
) -> None:
    pid = begin(*words, **variables)
    ours = [one for one in left_running({"HOME": str(tmp_path)}, HERE) if one.pid == pid]
    assert [(one.program, one.url) for one in ours] == ([(words[0], HERE)] if found else [])


def test_what_ends_soon_is_not_left(begin: Begin, tmp_path: Path) -> None:
    stays, goes = (begin("server", HTTPS_PROXY=THERE, RUN_BY="x", **{RUN_BY: "work"}) for _ in range(2))
    subprocess.Popen(["bash", "-c", f"sleep 0.2; kill -9 {goes}"])
    assert [one.pid for one in left_running({"HOME": str(tmp_path)}, THERE, patience_s=2)] == [stays]


@pytest.mark.parametrize(
    ("variables", "elsewhere"),
    [({}, [""]), ({"HTTPS_PROXY": THERE}, [THERE]), ({"HTTPS_PROXY": HERE}, [])],
    ids=["without a proxy", "another proxy", "this one"],
)
def test_daemons_that_go_past_the_proxy(
    begin: Begin, tmp_path: Path, variables: dict[str, str], elsewhere: list[str]
) -> None:
    assert CODEX is not None and CLAUDE is not None
    begin(*DAEMON, **variables)
    environ = {"HOME": str(tmp_path)}
    assert [one.url for one in led_elsewhere(environ, CODEX, HERE)] == elsewhere
    assert led_elsewhere(environ, CLAUDE, HERE) == ()


def test_the_words() -> None:
    daemon = Left(7, "codex", HERE, "codex", "codex app-server daemon stop")
    found = [daemon, Left(8, "codex", HERE), Left(9, "node", HERE)]
    assert named(found) == "codex (7, 8), node (9)"
    assert ending(found) == "codex app-server daemon stop; kill 8 9"
    assert ending([daemon]) == "codex app-server daemon stop"
