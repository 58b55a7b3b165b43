"""What is made of a proxy's own words, also of those of an older or a newer one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.cli.status_words import MOST_RULES, in_words, remarks_of

URL = "http://127.0.0.1:8484"
TODAY: dict[str, Any] = {
    "status": "ok",
    "profile": "work",
    "rules": ["tool-use → zai"],
    "default": "default → anthropic",
    "requests": 1204,
    "unsaved_rows": 0,
    "uptime_s": 8040,
}
RESTING = {"provider": "zai", "key": "env:ZAI_API_KEY", "state": "resting", "failures": 5, "rests_for_s": 11.2}
LIMIT = {
    "limit": "usd-per-day",
    "provider": None,
    "used": "12.30",
    "warn": "10",
    "switch": "15",
    "refuse": "20.00",
    "to": "ollama",
    "unpriced": 2,
    "action": "warn",
}
BUSY: dict[str, Any] = {
    **TODAY,
    "in_flight": 3,
    "unsaved_rows": 1,
    "resting": [
        {**RESTING, "reason": "overloaded"},
        {**RESTING, "provider": "groq", "key": "env:GROQ_API_KEY", "state": "probing", "reason": "timed-out"},
    ],
    "lines": [{"provider": "zai", "running": 2, "most": 2, "waiting": 3}],
    "limits": [
        LIMIT,
        {"limit": "tokens-per-minute", "provider": "groq", "used": 45_000, "refuse": 60_000, "action": "allow"},
        {"limit": "requests-per-minute", "provider": "zai", "used": 30, "refuse": 30, "action": "refuse"},
    ],
}


def test_a_quiet_proxy_of_today() -> None:
    assert in_words(TODAY, URL) == (
        "work is running at http://127.0.0.1:8484, up 2 h 14 min\n"
        "requests  1,204\n"
        "rules     tool-use → zai\n"
        "          default → anthropic"
    )


def test_a_busy_one() -> None:
    assert in_words(BUSY, URL) == (
        "work is running at http://127.0.0.1:8484, up 2 h 14 min\n"
        "requests  1,204, 3 in flight\n"
        "unsaved   1 usage row that the disk does not take; lost if the proxy ends now\n"
        "rules     tool-use → zai\n"
        "          default → anthropic\n"
        "resting   zai   env:ZAI_API_KEY   overloaded, 5 failures in a row; tried again in 12 s\n"
        "          groq  env:GROQ_API_KEY  timed-out, 5 failures in a row; one request is trying it now\n"
        "queues    zai  2 of 2 running, 3 waiting\n"
        "limits    usd-per-day                $12.30 used, warns at $10.00 (now), goes to ollama at $15.00, "
        "refuses at $20.00, 2 requests without a known price not counted\n"
        "          tokens-per-minute    groq  45K used, refuses at 60K\n"
        "          requests-per-minute  zai   30 used, refuses at 30 (now)"
    )


def test_remarks() -> None:
    assert remarks_of(TODAY) == ""
    assert remarks_of(BUSY) == "2 providers resting, 3 waiting, 2 limits reached, 1 row unsaved"


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({"reason": "auth"}, "auth"),
        ({"reason": "auth", "failures": 1}, "auth, 1 failure in a row"),
        ({"reason": "overloaded", "key": "agent"}, "agent's own key  overloaded"),
        ({"rests_for_s": 0}, "failing; the next request tries it"),
        ({"rests_for_s": 90.0}, "failing; tried again in 1 min 30 s"),
        ({"rests_for_s": 90.0, "state": "probing"}, "failing; one request is trying it now"),
    ],
)
def test_how_a_provider_rests(given_: dict[str, Any], words: str) -> None:
    assert in_words({**TODAY, "resting": [{"provider": "zai", **given_}]}, URL).endswith(f"\nresting   zai  {words}")


def test_a_model_at_its_limit_and_what_is_sound() -> None:
    resting = [{**RESTING, "model": "glm-5", "reason": "rate-limited"}, {"provider": "groq", "state": "sound"}]
    health = {**TODAY, "resting": resting}
    assert in_words(health, URL).endswith(
        "\nresting   zai  env:ZAI_API_KEY  glm-5  rate-limited, 5 failures in a row; tried again in 12 s"
    )
    assert remarks_of(health) == "1 provider resting"


def test_many_rules_are_not_all_told() -> None:
    told = in_words({**TODAY, "rules": [f"rule {number}" for number in range(MOST_RULES + 3)]}, URL)
    assert "          rule 7\n          … 3 more:  ringlet-mitm rules list --profile work\n          default → " in told
    assert "rule 8" not in told


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("resting", None, id="no list"),
        pytest.param("resting", ["zai"], id="no tables in it"),
        pytest.param("lines", {"zai": 2}, id="a table instead"),
        pytest.param("in_flight", "3", id="text for a number"),
        pytest.param("in_flight", True, id="a bool for a number"),
        pytest.param("new_in_2027", [{"a": 1}], id="a key that nobody knows yet"),
    ],
)
def test_what_has_another_shape_is_left_out(key: str, value: object) -> None:
    assert in_words({**TODAY, key: value}, URL) == in_words(TODAY, URL)


def test_what_a_terminal_obeys_is_not_printed() -> None:
    told = in_words({**TODAY, "rules": ["red \x1b[31m\nrunning"], "resting": [{"provider": "\x07"}]}, URL)
    assert all(line.isprintable() for line in told.splitlines())
    assert "red \N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}running" in told


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted({*BUSY, *RESTING, *LIMIT})), inner)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(sorted(BUSY)), ANYTHING))
def test_nothing_that_it_may_say_is_an_error(said: dict[str, Any]) -> None:
    health = json.loads(json.dumps({**BUSY, **said}))
    assert all(line.isprintable() for line in in_words(health, URL).split("\n"))
    assert remarks_of(health).isprintable()
