"""Who can reach a proxy that is about to start, and what is kept: options against profiles."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Literal

import pytest

from ringlet_mitm.cli.exposure import Looking, check_free, login_for, watchers_for
from ringlet_mitm.rules.errors import ConfigError, UsageError
from ringlet_mitm.rules.profiles import Profile

PUBLIC = "0.0.0.0"
Capture = Literal["none", "metadata", "bodies"]


@pytest.fixture(autouse=True)
def login(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable with a login."""
    monkeypatch.setenv("OURS", "agents:pw")


@pytest.mark.parametrize("host", [PUBLIC, "192.0.2.9", "::", "example.com", ""])
def test_outside_of_loopback_there_is_a_login(host: str) -> None:
    with pytest.raises(ConfigError, match="whoever reaches the proxy spends your keys"):
        login_for(Profile(host=host), None)
    assert login_for(Profile(host=host), "${OURS}") == login_for(Profile(host=host, proxyauth="OURS"), None)
    assert login_for(Profile(host=host), "${OURS}") is not None


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_on_loopback_it_is_a_choice(host: str) -> None:
    assert login_for(Profile(host=host), None) is None
    assert login_for(Profile(host=host), "agents:pw") is not None


def test_what_is_said_goes_before_the_profile() -> None:
    found = login_for(Profile(proxyauth="OURS"), "others:pw")
    assert found is not None
    assert found.within("http://h:1") == "http://others:pw@h:1"


def test_a_taken_port_is_an_error_and_0_a_free_one() -> None:
    assert check_free("127.0.0.1", 0, "--web-port") > 0
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(ConfigError, match=r"is taken, perhaps .*; choose another with --web-port"):
            check_free("127.0.0.1", port, "--web-port")


# By `capture`: whether mitmweb has bodies while it runs, and whether a dump may have them; None for no dump at all.
KEPT: dict[Capture, tuple[bool, bool | None]] = {
    "none": (False, None),
    "metadata": (True, False),
    "bodies": (True, True),
}


@pytest.mark.parametrize(("capture", "kept"), KEPT.items(), ids=KEPT)
def test_what_is_kept(tmp_path: Path, capture: Capture, kept: tuple[bool, bool | None]) -> None:
    profile, (in_memory, in_files) = Profile(capture=capture), kept
    looking = Looking(8485, tmp_path / "a.flows")
    if in_files is None:
        with pytest.raises(UsageError, match="keeps nothing"):
            watchers_for(profile, looking)
        looking = Looking(8485)
    by_kind = {type(addon).__name__: addon for addon in watchers_for(profile, looking)}
    assert by_kind["Annotations"]._keeps_bodies is in_memory
    assert (by_kind["Dump"]._bodies if "Dump" in by_kind else None) is in_files


@pytest.mark.parametrize(("capture", "in_memory"), [("metadata", False), ("bodies", True)])
def test_a_dump_alone_keeps_in_memory_what_it_writes(tmp_path: Path, capture: Capture, in_memory: bool) -> None:
    annotations, dump = watchers_for(Profile(capture=capture), Looking(dump=tmp_path / "a.flows"))
    assert (annotations._keeps_bodies, dump._bodies) == (in_memory, in_memory)


def test_without_anybody_who_looks_nothing_is_kept() -> None:
    assert watchers_for(Profile(capture="bodies"), Looking()) == ()
