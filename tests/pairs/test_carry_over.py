from __future__ import annotations

import json
from pathlib import Path

import pytest
from carry_over import AGENTS, FIXTURES, NAMES, PATHS, everything, table

from ringlet_mitm.addons.wire.codecs import CODECS
from ringlet_mitm.rules.shapes import WireFormat

README = Path(__file__).parents[2] / "README.md"
PAIRS = [(agent, provider) for agent in AGENTS for provider in NAMES if agent is not provider]


def test_the_readme_says_what_is_lost() -> None:
    assert table() in README.read_text(encoding="utf-8"), "put the output of tests/carry_over.py into the README"


@pytest.mark.parametrize("agent", AGENTS)
def test_the_same_format_loses_nothing(agent: WireFormat) -> None:
    body = json.loads((FIXTURES / f"everything-{AGENTS[agent]}.json").read_bytes())
    codec = CODECS[agent]
    rendered = codec.render_request(codec.parse_request(body, PATHS.get(agent, "/v1/x")))
    assert (rendered.body, rendered.losses) == (body, ())


@pytest.mark.parametrize(("agent", "provider"), PAIRS)
def test_every_loss_has_a_reason_and_is_named_once(agent: WireFormat, provider: WireFormat) -> None:
    losses = everything(agent, provider).losses
    assert all(loss.what and loss.why for loss in losses)
    assert len({loss.what for loss in losses}) == len(losses)


@pytest.mark.parametrize(("agent", "provider"), PAIRS)
def test_what_has_to_survive_is_there(agent: WireFormat, provider: WireFormat) -> None:
    body = everything(agent, provider).body
    for text in (b"Be terse.", b"Look.", b"I look.", b"ls", b"a.txt", b"And now?", b"Run a command.", b"16000"):
        assert text in body
    assert b"iVBORw0KGgo" in body, "the picture"
