"""Agents as data: where each sends, how a request shows which agent it is from, what it needs to come through us.

Apart from providers, because the names collide: `codex`, `grok` and `claude` are also ways to say a provider. User
agents are weak evidence, since many agents show only their SDK's; so a header that one agent alone sends counts first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePath

from pydantic import TypeAdapter

from ringlet_mitm.rules.document import Document
from ringlet_mitm.rules.shapes import WireFormat
from ringlet_mitm.rules.validated import validated

FOLDER = Path(__file__).parent / "agents"
# Said by several agents beside the header that is their own.
SESSION_HEADERS = ("x-session-id", "session-id", "session_id", "x-session-affinity")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFile:
    """The keys of an agent's file.

    hosts: where it sends model calls; none where they are in a format of its own, so that nothing would be won by
    decrypting them. paths: of those calls, "*" for what varies. formats: what it speaks, the usual one first. provider:
    who answers where no rule says anything else.

    programs: its names on PATH. folders: where its installer puts it beside PATH. install: how a person gets it.
    variables: what it needs to come through the proxy, with {url}, {certificate} and {bundle} (see variables.py).
    base_urls: variables that send it to another address, and so past the proxy. once: its arguments for one answer
    to {prompt} without asking anybody, and once_variables what that needs beside. daemons: what of it outlives the
    shell and works for later ones, a program's name and words behind it; end_daemons: how a person ends that. quirks:
    what a person should know.

    user_agents: beginnings of its User-Agent, case ignored. headers: names that only it sends. session_headers: where
    it says which conversation a request is of, the first that is there. folder: the sentences of its prompt that say
    the folder it works in, with "{folder}" for it (see projects.py).
    """

    name: str
    hosts: tuple[str, ...]
    paths: tuple[str, ...] = ()
    formats: tuple[WireFormat, ...] = ()
    provider: str = ""
    programs: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    install: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    base_urls: tuple[str, ...] = ()
    once: tuple[str, ...] = ()
    once_variables: Mapping[str, str] = field(default_factory=dict)
    daemons: tuple[str, ...] = ()
    end_daemons: str = ""
    quirks: tuple[str, ...] = ()
    user_agents: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    session_headers: tuple[str, ...] = ()
    folder: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AgentPreset:
    """One agent; `agent_id` is the file's name, and what rules and rows say."""

    agent_id: str
    file: AgentFile

    @property
    def hosts(self) -> tuple[str, ...]:
        """Where it sends model calls."""
        return self.file.hosts


@cache
def presets() -> tuple[AgentPreset, ...]:
    """All of them, by id."""
    adapter: TypeAdapter[AgentFile] = TypeAdapter(AgentFile)
    found = []
    for path in sorted(FOLDER.glob("*.toml")):
        document = Document.parse(path.read_text(encoding="utf-8"), str(path))
        found.append(AgentPreset(path.stem, validated(AgentFile, adapter, document)[0]))
    return tuple(found)


def preset_of(agent: str) -> AgentPreset | None:
    """The agent of that id."""
    return next((preset for preset in presets() if preset.agent_id == agent), None)


def preset_for(program: str) -> AgentPreset | None:
    """The agent that a program is, by its name or path; on Windows also with `.exe` or `.cmd` behind it."""
    name = PurePath(program).name.lower()
    stem = name.removesuffix(".exe").removesuffix(".cmd")
    return next((preset for preset in presets() if stem in preset.file.programs), None)


@cache
def _marks() -> tuple[dict[str, str], tuple[tuple[str, str], ...], dict[str, tuple[str, ...]]]:
    """Header name to agent; beginnings of user agents, the longest first; session headers by agent."""
    by_header = {header: preset.agent_id for preset in presets() for header in preset.file.headers}
    starts = [(start.lower(), preset.agent_id) for preset in presets() for start in preset.file.user_agents]
    sessions = {preset.agent_id: preset.file.session_headers for preset in presets()}
    return by_header, tuple(sorted(starts, key=lambda mark: -len(mark[0]))), sessions


def recognise(headers: Mapping[str, str]) -> str:
    """The id of the agent that sent `headers` (names in lower case), "" where nothing tells."""
    by_header, starts, _ = _marks()
    for name in headers:
        if name in by_header:
            return by_header[name]
    user_agent = headers.get("user-agent", "").lower()
    return next((agent for start, agent in starts if user_agent.startswith(start)), "")


def session_of(agent: str, headers: Mapping[str, str]) -> str:
    """The session id that the headers say, "" where they say none."""
    own = _marks()[2].get(agent, ())
    return next((headers[name] for name in (*own, *SESSION_HEADERS) if headers.get(name)), "")


def folder_sentences(agent: str) -> tuple[str, ...]:
    """How an agent's prompt says the folder that it works in; none where it does not, or is not known."""
    return next((preset.file.folder for preset in presets() if preset.agent_id == agent), ())


def all_hosts(found: Iterable[AgentPreset]) -> frozenset[str]:
    """Every host that agents send to."""
    return frozenset(host for preset in found for host in preset.hosts)
