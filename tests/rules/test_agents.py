"""Agents as data: each capture is recognised, the files load, nothing collides."""

from __future__ import annotations

from pathlib import Path

import pytest
from bodies import captures
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.rules import agents as agents_room
from ringlet_mitm.rules.agents import (
    FOLDER,
    AgentPreset,
    all_hosts,
    preset_for,
    preset_of,
    presets,
    recognise,
    session_of,
)
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.interception import HostPolicy, HostVerdict
from ringlet_mitm.rules.providers import registry
from ringlet_mitm.rules.shapes import SHAPES

RECOGNISED: dict[str, tuple[dict[str, str], str]] = {
    "Claude Code": ({"user-agent": "claude-cli/2.1.197 (external, sdk-cli)"}, "claude"),
    "Claude Code's session header": ({"user-agent": "x", "x-claude-code-session-id": "s"}, "claude"),
    "Claude Code's class of request": ({"x-claude-code-request-class": "main"}, "claude"),
    "Codex, unattended": ({"user-agent": "codex_exec/0.169.0 (Debian)"}, "codex"),
    "Codex": ({"user-agent": "codex_cli_rs/0.60.0"}, "codex"),
    "Codex' window": ({"x-codex-window-id": "w:0"}, "codex"),
    "OpenCode": ({"user-agent": "opencode/1.18.33 ai-sdk/provider-utils/4.0.46 runtime/bun/1.3.14"}, "opencode"),
    "Gemini CLI": ({"user-agent": "GeminiCLI-tui/0.61.0/gemini-2.5-pro (linux; x64; terminal)"}, "gemini"),
    "Qwen Code": ({"user-agent": "QwenCode/0.24.0 (linux; x64)"}, "qwen"),
    "Copilot, which shows its SDK": ({"user-agent": "OpenAI/JS 5.20.1", "x-initiator": "user"}, "copilot"),
    "Droid": ({"user-agent": "factory-cli/0.215.0"}, "droid"),
    "Kimi": ({"user-agent": "KimiCLI/1.45"}, "kimi"),
    "Kimi's headers": ({"user-agent": "OpenAI/Python 2.0", "x-msh-platform": "kimi_cli"}, "kimi"),
    "Vibe": ({"user-agent": "mistral-vibe/3.0"}, "vibe"),
    "pi": ({"user-agent": "pi/0.73"}, "pi"),
    "aider": ({"user-agent": "litellm/1.80.0"}, "aider"),
    "Cline": ({"user-agent": "Cline/3.0"}, "cline"),
    "Grok CLI": ({"user-agent": "grok-cli/0.0.34"}, "grok"),
    "a Python SDK": ({"user-agent": "AsyncAnthropic/Python 2.11.0"}, "python-sdk"),
    "a JavaScript SDK": ({"user-agent": "Anthropic/JS 0.94.0"}, "js-sdk"),
    "case does not count": ({"user-agent": "CLAUDE-CLI/9"}, "claude"),
    "nothing": ({}, ""),
    "an empty user agent": ({"user-agent": ""}, ""),
    "curl": ({"user-agent": "curl/8.5.0"}, ""),
    "a name in the middle": ({"user-agent": "mine (claude-cli/2.1)"}, ""),
    "a header's value is no evidence": ({"x-title": "x-initiator"}, ""),
}
BY_CAPTURE = {"claude": "claude", "codex": "codex", "gemini": "gemini", "opencode": "opencode"}


@pytest.mark.parametrize(("headers", "agent"), RECOGNISED.values(), ids=RECOGNISED)
def test_recognised(headers: dict[str, str], agent: str) -> None:
    assert recognise(headers) == agent


@pytest.mark.parametrize("name", sorted(captures()))
def test_captures_are_recognised(name: str) -> None:
    request = captures()[name]
    headers = {key.decode().lower(): value.decode() for key, value in request.headers}
    assert recognise(headers) == BY_CAPTURE[name.partition("-")[0]]


@pytest.mark.parametrize("name", sorted(captures()))
def test_captures_were_sent_to_hosts_of_that_agent(name: str) -> None:
    preset = next(one for one in presets() if one.agent_id == BY_CAPTURE[name.partition("-")[0]])
    assert captures()[name].host in preset.hosts


def test_every_file_is_an_agent() -> None:
    assert {preset.agent_id for preset in presets()} == {path.stem for path in FOLDER.glob("*.toml")}
    assert all(preset.file.name and (preset.hosts or preset.file.quirks) for preset in presets())


@pytest.mark.parametrize("agent", ["claude", "codex", "grok", "opencode"])
def test_names_that_are_also_providers_are_agents(agent: str) -> None:
    """The reference documents use them for both (X-005, X-006)."""
    assert agent in {preset.agent_id for preset in presets()}


def test_no_two_agents_share_a_mark() -> None:
    starts = [(start.lower(), preset.agent_id) for preset in presets() for start in preset.file.user_agents]
    clashes = {
        (one, other) for one, agent in starts for other, another in starts if agent != another and one.startswith(other)
    }
    assert clashes == set()
    headers = [header for preset in presets() for header in preset.file.headers]
    assert len(headers) == len(set(headers))


@pytest.mark.parametrize(
    ("agent", "provider"),
    [("claude", "anthropic"), ("droid", "anthropic"), ("opencode", "anthropic"), ("codex", "openai"), ("grok", "xai")],
)
def test_who_answers_an_agent_where_no_rule_says_anything(agent: str, provider: str) -> None:
    """A-006, A-008."""
    preset = preset_of(agent)
    assert preset is not None
    assert preset.file.provider == provider


def test_providers_are_known() -> None:
    assert {one.file.provider for one in presets()} <= {
        "",
        *(spec.provider_id for spec in registry({}).list_providers()),
    }


@pytest.mark.parametrize("preset", [one for one in presets() if one.hosts], ids=lambda one: one.agent_id)
def test_paths_are_of_the_formats(preset: AgentPreset) -> None:
    """Gemini's have the model and the method in the last part; token counts are asked for beside Messages."""
    for path in preset.file.paths:
        ends = [end for one in preset.file.formats for end in SHAPES[one].path_ends]
        assert path.removesuffix("/count_tokens").endswith((*ends, "/models/*")), path
    for one in preset.file.formats:
        ends = (*SHAPES[one].path_ends, "/models/*")
        assert any(path.endswith(ends) for path in preset.file.paths), one


def test_programs_belong_to_one_agent_each() -> None:
    names = [name for one in presets() for name in one.file.programs]
    assert names == [name.lower() for name in names]
    assert len(names) == len(set(names))
    assert all(one.file.install for one in presets() if one.file.programs)


@pytest.mark.parametrize(
    ("program", "agent"),
    [
        ("claude", "claude"),
        ("/home/me/.local/bin/claude", "claude"),
        ("Claude.CMD", "claude"),
        ("codex.exe", "codex"),
        ("cursor-agent", "cursor"),
        ("python", ""),
        ("claude-squad", ""),
        ("", ""),
    ],
)
def test_an_agent_by_its_program(program: str, agent: str) -> None:
    found = preset_for(program)
    assert (found.agent_id if found else "") == agent


def test_names_of_headers_are_in_lower_case() -> None:
    """They are compared with lowered ones; another spelling would never be found."""
    names = [name for one in presets() for name in (*one.file.headers, *one.file.session_headers)]
    assert names == [name.lower() for name in names]


def test_hosts_are_hosts() -> None:
    policy = HostPolicy.of(presets(), all_hosts(presets()))
    assert policy.hosts == all_hosts(presets())
    assert {policy.verdict(host, 443) for host in policy.hosts} == {HostVerdict.DECRYPT}


SESSIONS: dict[str, tuple[str, dict[str, str], str]] = {
    "the agent's own header first": ("vibe", {"x-session-id": "s", "x-affinity": "a"}, "a"),
    "another agent's header does not count": ("codex", {"x-affinity": "a"}, ""),
    "one that several say": ("", {"x-session-id": "s"}, "s"),
    "an unknown agent": ("nobody", {"session_id": "s"}, "s"),
    "an empty one is passed over": ("opencode", {"x-session-id": "", "x-session-affinity": "a"}, "a"),
    "none": ("claude", {"user-agent": "claude-cli/2"}, ""),
}


@pytest.mark.parametrize(("agent", "headers", "session"), SESSIONS.values(), ids=SESSIONS)
def test_session_headers(agent: str, headers: dict[str, str], session: str) -> None:
    assert session_of(agent, headers) == session


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=40)), st.text(max_size=40))
def test_any_headers(headers: dict[str, str], user_agent: str) -> None:
    agent = recognise({**headers, "user-agent": user_agent})
    assert agent == "" or agent in {preset.agent_id for preset in presets()}


@pytest.mark.parametrize(
    "text", ['name = "x"\n', 'name = "x"\nhosts = ["a"]\ncolour = "red"\n', 'name = 5\nhosts = ["a"]\n']
)
def test_a_broken_file_is_an_error_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    monkeypatch.setattr(agents_room, "FOLDER", tmp_path)
    with pytest.raises(ConfigError, match=r"mine\.toml"):
        presets.__wrapped__()
