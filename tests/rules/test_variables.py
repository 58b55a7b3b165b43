"""Which variables an agent gets, for every environment it may be started in."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.rules.agents import AgentPreset, preset_of, presets
from ringlet_mitm.rules.variables import (
    BEFORE,
    Point,
    gaps,
    given_back,
    hidden_by,
    kept_certificates,
    variables_of,
    without_ours,
)

POINT = Point("http://127.0.0.1:8484", Path("/h/ca/ca.pem"), Path("/h/ca/bundle.pem"))
PROXY = {"HTTPS_PROXY": POINT.url, "https_proxy": POINT.url}
PASSED = {"NO_PROXY": "localhost,127.0.0.1,::1", "no_proxy": "localhost,127.0.0.1,::1"}
NODE = {"NODE_EXTRA_CA_CERTS": "/h/ca/ca.pem"}
PYTHON = {"SSL_CERT_FILE": "/h/ca/bundle.pem"}
REQUESTS = {"REQUESTS_CA_BUNDLE": "/h/ca/bundle.pem"}
FETCH = {"NODE_USE_ENV_PROXY": "1"}
NEEDED: dict[str, dict[str, str]] = {
    **dict.fromkeys(("claude", "cline", "copilot", "droid", "gemini", "opencode", "pi", "qwen"), NODE),
    **dict.fromkeys(("grok", "js-sdk"), NODE | FETCH),
    **dict.fromkeys(("kimi", "vibe"), PYTHON),
    **dict.fromkeys(("aider", "python-sdk"), PYTHON | REQUESTS),
    "codex": {"CODEX_CA_CERTIFICATE": "/h/ca/bundle.pem"},
    "cursor": {"HTTP_PROXY": POINT.url, "http_proxy": POINT.url, **FETCH},
}


def preset(agent: str) -> AgentPreset:
    found = preset_of(agent)
    assert found is not None
    return found


def plain(values: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if name != BEFORE}


@pytest.mark.parametrize("agent", [one.agent_id for one in presets()])
def test_each_agent_gets_what_it_needs_and_no_more(agent: str) -> None:
    assert plain(variables_of(preset(agent), POINT, {})) == PROXY | PASSED | NEEDED[agent]


def test_a_program_that_is_not_known_gets_all_of_it() -> None:
    values = plain(variables_of(None, POINT, {}))
    assert values == {key: value for needed in NEEDED.values() for key, value in needed.items()} | PROXY | PASSED
    assert "GIT_SSL_CAINFO" not in values


def test_templates_name_what_there_is() -> None:
    for one in presets():
        for name, template in one.file.variables.items():
            assert re.fullmatch(r"[A-Z][A-Z0-9_]*", name)
            assert set(re.findall(r"{(.*?)}", template)) <= {"url", "certificate", "bundle"}


NO_PROXY: dict[str, tuple[dict[str, str], str]] = {
    "a person's hosts stay": ({"NO_PROXY": "corp.example, localhost,,10.0.0.0/8"}, "corp.example,10.0.0.0/8"),
    "parted by spaces": ({"NO_PROXY": "corp.example 10.0.0.1"}, "corp.example,10.0.0.1"),
    "either spelling": ({"NO_PROXY": "a.example", "no_proxy": "b.example,a.example"}, "a.example,b.example"),
    "what hides the agent's host goes": ({"NO_PROXY": "api.anthropic.com,a.example"}, "a.example"),
    "its domain": ({"no_proxy": ".anthropic.com,a.example"}, "a.example"),
    "everything": ({"NO_PROXY": "*,a.example"}, "a.example"),
    "another agent's host stays": ({"NO_PROXY": "api.openai.com"}, "api.openai.com"),
}


@pytest.mark.parametrize(("around", "kept"), NO_PROXY.values(), ids=NO_PROXY)
def test_what_goes_past_the_proxy(around: dict[str, str], kept: str) -> None:
    values = variables_of(preset("claude"), POINT, around)
    assert values["NO_PROXY"] == values["no_proxy"] == f"localhost,127.0.0.1,::1,{kept}"


def test_hosts_of_the_profile_are_not_hidden_either() -> None:
    point = Point(POINT.url, POINT.certificate, POINT.bundle, ("*.llm.corp.example",))
    assert "corp" not in variables_of(preset("claude"), point, {"NO_PROXY": "corp.example"})["NO_PROXY"]


@pytest.mark.parametrize(
    ("entry", "hidden"),
    [
        ("*", True),
        ("example.com", True),
        ("EXAMPLE.com", True),
        (".example.com", True),
        ("*.example.com", True),
        ("api.example.com:443", True),
        ("com", True),
        ("ample.com", False),
        ("v2.api.example.com", False),
        ("10.0.0.0/8", False),
        ("::1", False),
        (".", False),
    ],
)
def test_entries_that_hide_a_host(entry: str, hidden: bool) -> None:
    assert hidden_by(entry, ["api.example.com"]) == (("api.example.com",) if hidden else ())


def test_own_certificates_are_kept_by_the_bundle() -> None:
    around = {"SSL_CERT_FILE": "/corp.pem", "NODE_EXTRA_CA_CERTS": "/h/ca/ca.pem"}
    assert kept_certificates(POINT, around) == (Path("/corp.pem"),)
    assert variables_of(preset("claude"), POINT, around)["NODE_EXTRA_CA_CERTS"] == "/h/ca/bundle.pem"


NAMES = st.sampled_from(["HTTPS_PROXY", "https_proxy", "NO_PROXY", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "LANG"])
ENVIRONMENTS = st.dictionaries(NAMES, st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=20))
AGENTS = st.sampled_from([None, *presets()])


@given(ENVIRONMENTS, AGENTS)
def test_what_was_there_is_given_back(around: dict[str, str], agent: AgentPreset | None) -> None:
    assert without_ours(around | variables_of(agent, POINT, around)) == around


@given(ENVIRONMENTS, AGENTS)
def test_set_twice_is_set_once(around: dict[str, str], agent: AgentPreset | None) -> None:
    values = variables_of(agent, POINT, around)
    assert variables_of(agent, POINT, around | values) == values


def test_what_was_changed_since_stays() -> None:
    around = variables_of(preset("claude"), POINT, {}) | {"HTTPS_PROXY": "http://another:1"}
    assert "HTTPS_PROXY" not in given_back(around)
    assert without_ours(around) == {"HTTPS_PROXY": "http://another:1"}


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"A": 1}', '{"A": ["x"]}', '{"A": ["x", 1]}', '{"A": null}'])
def test_what_anybody_wrote_there_is_no_error(text: str) -> None:
    assert given_back({BEFORE: text, "A": "x"}) == {BEFORE: None}


def test_what_is_remembered_is_json() -> None:
    values = variables_of(preset("codex"), POINT, {"NO_PROXY": "a.example"})
    assert json.loads(values[BEFORE])["NO_PROXY"] == ["localhost,127.0.0.1,::1,a.example", "a.example"]


SET = plain(variables_of(preset("claude"), POINT, {}))
GAPS: dict[str, tuple[dict[str, str], list[str]]] = {
    "all is set": (SET, []),
    "what `env` sets for all agents": (variables_of(None, POINT, {}), []),
    "the capitals do": ({"HTTPS_PROXY": POINT.url + "/", **NODE}, []),
    "the small letters do": ({"https_proxy": POINT.url, **NODE}, []),
    "one of the two is another": (
        {"HTTPS_PROXY": "http://me:secret@corp:1", "https_proxy": POINT.url, **NODE},
        ["HTTPS_PROXY is http://…@corp:1, not " + POINT.url],
    ),
    "localhost is loopback": ({"HTTPS_PROXY": "http://localhost:8484", **NODE}, []),
    "nothing is": ({}, ["HTTPS_PROXY is not set", "NODE_EXTRA_CA_CERTS is not set"]),
    "another proxy": (SET | {"https_proxy": "http://corp:1"}, ["https_proxy is http://corp:1, not " + POINT.url]),
    "another certificate": (
        SET | {"NODE_EXTRA_CA_CERTS": "/corp.pem"},
        ["NODE_EXTRA_CA_CERTS is /corp.pem, which is not ours"],
    ),
    "hidden": (SET | {"no_proxy": "*"}, ["NO_PROXY * leads api.anthropic.com past the proxy"]),
    "another address": (
        SET | {"ANTHROPIC_BASE_URL": "https://gateway"},
        ["ANTHROPIC_BASE_URL sends it to https://gateway instead"],
    ),
    "the proxy's own address": (SET | {"ANTHROPIC_BASE_URL": POINT.url}, []),
}


@pytest.mark.parametrize(("around", "said"), GAPS.values(), ids=GAPS)
def test_why_an_agent_would_not_come_through(around: dict[str, str], said: list[str]) -> None:
    assert [f"{gap.variable} {gap.why}" for gap in gaps(preset("claude"), POINT, around)] == said
