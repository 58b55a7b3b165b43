"""The whole chain of a request: the rule's target and its other keys, its fallbacks, the model's, everybody's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.keys import KeyRef
from ringlet_mitm.rules.peek import AgentRequest
from ringlet_mitm.rules.providers import registry
from ringlet_mitm.rules.routes import Route, named_route
from ringlet_mitm.rules.shapes import WireFormat
from ringlet_mitm.rules.targets import MOST_TARGETS, Lineup, ProfilePin, Target, lined_up

REGISTRY = registry({})
CLAUDE = AgentRequest(
    WireFormat.MESSAGES, "POST", "https", "api.anthropic.com", 443, "/v1/messages", (), b"{}", direct=False
)
SONNET = "claude-sonnet-4-6"
KEYS = tuple(KeyRef(file="config.toml", key=("reliability", "api_keys", number)) for number in range(2))
FIRST = KeyRef(file="config.toml", key=("api_key",))
SHARED = ProfilePin(shared_keys={"openrouter": FIRST}, further_keys={"openrouter": KEYS})
MODELS = {"anthropic/claude-sonnet-4.6": ("anthropic/claude-haiku-4.5", "openai/gpt-4o")}


@dataclass(frozen=True)
class Features:
    model: str
    tool_result: bool = False
    images: int = 0


def chain(to: str, *fallback: str, pin: ProfilePin | None = None, model: str = SONNET, **more: Any) -> Lineup:
    """What comes of a rule with that `to` and those fallbacks."""
    others = tuple(named_route(name, REGISTRY) for name in fallback)
    route = replace(
        named_route(to, REGISTRY), fallback=others, alone=more.pop("alone", False), key=more.pop("key", None)
    )
    return lined_up(route, replace(CLAUDE, **more), Features(model), REGISTRY, pin)  # type: ignore[arg-type]


def names(found: Lineup) -> list[str]:
    return [said(target) for target in found.targets]


def said(target: Target) -> str:
    mark = "passthrough" if target.as_asked else target.provider
    number = f" #{KEYS.index(target.key_ref) + 1}" if target.key_ref in KEYS else ""
    return f"{mark}/{target.model}{number}"


class TestFallbacks:
    def test_a_rules_own_follow_in_their_order(self) -> None:
        assert names(chain("minimax/MiniMax-M2", "groq/llama-3.3-70b-versatile", "openrouter", "passthrough")) == [
            "minimax/MiniMax-M2",
            "groq/llama-3.3-70b-versatile",
            "openrouter/anthropic/claude-sonnet-4.6",
            f"passthrough/{SONNET}",
        ]

    def test_a_fallback_without_a_model_has_its_default_for_one_that_it_does_not_serve(self) -> None:
        default = REGISTRY.require("groq").default_model
        assert names(chain("anthropic", "groq"))[1] == f"groq/{default}"

    def test_the_host_that_was_asked_keeps_the_agents_own(self) -> None:
        assert names(chain("groq/m", "anthropic")) == ["groq/m", f"passthrough/{SONNET}"]

    def test_nothing_is_tried_twice(self) -> None:
        assert names(chain("passthrough", "anthropic", "groq/m", "groq/m", "passthrough")) == [
            f"passthrough/{SONNET}",
            "groq/m",
        ]

    def test_one_that_lacks_a_variable_is_left_out_and_said(self) -> None:
        found = chain("groq/m", "cloudflare", "openrouter", "cloudflare/x")
        assert names(found) == ["groq/m", "openrouter/anthropic/claude-sonnet-4.6"]
        (why,) = found.skipped
        assert why.startswith("provider 'cloudflare' needs CLOUDFLARE_ACCOUNT_ID")

    def test_one_that_is_gone_is_left_out_too(self) -> None:
        route = Route("groq", "m", (Route("gone"),))
        found = lined_up(route, CLAUDE, None, REGISTRY)
        assert names(found) == ["groq/m"]
        assert found.skipped[0].startswith("unknown provider 'gone'")

    def test_the_first_has_to_be_usable(self) -> None:
        with pytest.raises(ConfigError, match="cloudflare"):
            chain("cloudflare", "groq")


class TestFallbackProviders:
    PIN = ProfilePin(fallback_providers=("anthropic", "openrouter"))

    def test_follow_every_route_that_says_nothing(self) -> None:
        assert names(chain("groq/m", pin=self.PIN)) == [
            "groq/m",
            f"passthrough/{SONNET}",
            "openrouter/anthropic/claude-sonnet-4.6",
        ]

    @pytest.mark.parametrize("to", ["anthropic", "passthrough"])
    def test_less_the_routes_own(self, to: str) -> None:
        assert names(chain(to, pin=self.PIN))[1:] == ["openrouter/anthropic/claude-sonnet-4.6"]

    def test_a_rules_own_fallback_stands_for_them(self) -> None:
        assert names(chain("groq/m", "groq/n", pin=self.PIN)) == ["groq/m", "groq/n"]

    def test_a_rule_can_have_none(self) -> None:
        pin = replace(self.PIN, model_fallbacks=MODELS)
        assert names(chain("groq/m", pin=pin, alone=True)) == ["groq/m"]


class TestModelFallbacks:
    PIN = ProfilePin(model_fallbacks=MODELS, fallback_providers=("groq",))

    def test_go_before_the_providers(self) -> None:
        assert names(chain("anthropic", pin=self.PIN))[:3] == [
            f"passthrough/{SONNET}",
            "passthrough/claude-haiku-4-5",
            "openai/gpt-4o",
        ]
        assert [target.provider for target in chain("anthropic", pin=self.PIN).targets][3:] == ["groq"]

    def test_go_after_a_rules_own(self) -> None:
        assert names(chain("anthropic", "groq/m", pin=self.PIN)) == [
            f"passthrough/{SONNET}",
            "groq/m",
            "passthrough/claude-haiku-4-5",
            "openai/gpt-4o",
        ]

    def test_of_a_host_of_models_are_asked_for_there_first(self) -> None:
        pin = ProfilePin(model_fallbacks=MODELS)
        assert names(chain("openrouter", pin=pin)) == [
            "openrouter/anthropic/claude-sonnet-4.6",
            "openrouter/anthropic/claude-haiku-4.5",
            "passthrough/claude-haiku-4-5",
            "openrouter/openai/gpt-4o",
            "openai/gpt-4o",
        ]

    def test_at_the_same_provider_have_the_routes_key(self) -> None:
        key = KeyRef(file="config.toml", key=("model_routes", 0, "api_key"))
        targets = chain("anthropic", pin=ProfilePin(model_fallbacks=MODELS), key=key).targets
        assert [target.key_ref == key for target in targets] == [True, True, False]

    def test_that_nobody_serves_are_said(self) -> None:
        found = chain("anthropic", pin=ProfilePin(model_fallbacks={SONNET: ("gpt-4o",)}))
        assert len(found.targets) == 1
        assert found.skipped == ("provider 'anthropic' has no model 'gpt-4o'; write it as PROVIDER/gpt-4o",)


class TestFurtherKeys:
    def test_follow_each_target_of_their_provider(self) -> None:
        found = chain("openrouter/a/b", "groq/m", "openrouter/c/d", pin=SHARED)
        assert names(found) == [
            *("openrouter/a/b", "openrouter/a/b #1", "openrouter/a/b #2"),
            "groq/m",
            *("openrouter/c/d", "openrouter/c/d #1", "openrouter/c/d #2"),
        ]
        assert found.targets[0].key_ref == FIRST
        assert found.targets[1] == replace(found.targets[0], key_ref=KEYS[0])

    def test_follow_the_agents_own_account(self) -> None:
        pin = ProfilePin(further_keys={"anthropic": KEYS[:1]})
        first, second = chain("anthropic", pin=pin).targets
        assert (first.as_asked, second.as_asked, second.key_ref) == (True, False, KEYS[0])
        assert second.endpoint.host == "api.anthropic.com"

    def test_do_not_pay_for_what_passes_through(self) -> None:
        pin = ProfilePin(further_keys={"anthropic": KEYS})
        assert names(chain("passthrough", pin=pin)) == [f"passthrough/{SONNET}"]
        assert len(chain("passthrough", pin=pin, direct=True).targets) == 3

    def test_are_not_for_a_profile_with_an_account_of_its_own(self) -> None:
        pin = replace(SHARED, keys={"openrouter": "WORK_KEY"})
        assert names(chain("openrouter/a/b", pin=pin)) == ["openrouter/a/b"]

    def test_that_are_the_usual_one_are_not_tried_twice(self) -> None:
        pin = replace(SHARED, further_keys={"openrouter": (FIRST, FIRST)})
        assert len(chain("openrouter/a/b", pin=pin).targets) == 1


TO = st.sampled_from(["groq", "groq/m", "openrouter", "anthropic", "openai/gpt-4o", "passthrough", "cloudflare"])
PINS = st.builds(
    ProfilePin,
    further_keys=st.sampled_from([{}, {"openrouter": KEYS * 3}, {"groq": KEYS}, {"anthropic": KEYS}]),
    model_fallbacks=st.sampled_from([{}, MODELS, {SONNET: tuple(f"openrouter/a/{n}" for n in range(20))}]),
    fallback_providers=st.lists(st.sampled_from(["groq", "openrouter", "cloudflare"]), max_size=3).map(tuple),
)


@given(TO.filter(lambda to: to != "cloudflare"), st.lists(TO, max_size=8), PINS)
def test_a_chain_is_bounded_without_repeats_and_begins_as_without_fallbacks(
    to: str, fallback: list[str], pin: ProfilePin
) -> None:
    found = chain(to, *fallback, pin=pin).targets
    assert 1 <= len(found) <= MOST_TARGETS
    assert all(target not in found[:number] for number, target in enumerate(found))
    assert found[0] == chain(to, pin=pin, alone=True).targets[0]
