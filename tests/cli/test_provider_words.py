"""What a person reads of a provider that does not work: each with what to type."""

from __future__ import annotations

import pytest

from ringlet_mitm.addons.credentials.signing import NAMES
from ringlet_mitm.addons.trying import Tried, Trouble
from ringlet_mitm.cli.provider_words import AUTHS, START, WORDS, in_words, missing_variables, start_command
from ringlet_mitm.rules.providers import ProviderRegistry, registry

KNOWN = ProviderRegistry.default()


def words(name: str, trouble: Trouble, model: str = "m", key_label: str = "") -> str:
    return in_words(KNOWN.get(name) or KNOWN.require(name), Tried(name, model, trouble, key_label=key_label))


def test_there_are_words_for_all_that_can_be_wrong() -> None:
    assert set(WORDS) == set(Trouble)
    assert all(words("groq", trouble) for trouble in Trouble)


def test_every_scheme_has_words() -> None:
    assert set(AUTHS) == NAMES


@pytest.mark.parametrize(
    ("name", "trouble", "said"),
    [
        (
            "mistral",
            Trouble.NO_KEY,
            "no key; set one:  export MISTRAL_API_KEY=…  or  ringlet-mitm providers login mistral",
        ),
        ("copilot", Trouble.NO_KEY, "no key; set one:  ringlet-mitm providers login copilot"),
        ("vertex", Trouble.NO_KEY, "no key; set one:  gcloud auth application-default login"),
        (
            "groq",
            Trouble.WRONG_KEY,
            "the key from env:GROQ_API_KEY is not accepted; get one at https://console.groq.com/ and set it:  "
            "export GROQ_API_KEY=…  or  ringlet-mitm providers login groq",
        ),
        (
            "groq",
            Trouble.NO_PERMISSION,
            "the key is known, but may not use m; see its permissions at https://console.groq.com/",
        ),
        (
            "openai",
            Trouble.QUOTA,
            "the key works, but no quota or credit is left; add some at https://platform.openai.com/",
        ),
        (
            "groq",
            Trouble.NO_SUCH_MODEL,
            "groq has no model 'm', or your account may not use it; try:  "
            "ringlet-mitm providers test groq --model llama-3.3-70b-versatile",
        ),
        (
            "ollama",
            Trouble.NO_SUCH_MODEL,
            "ollama has no model 'm'; get it with:  ollama pull m  or see yours:  ringlet-mitm providers discover",
        ),
        (
            "ollama",
            Trouble.NOTHING_LISTENS,
            "it is not running at http://localhost:11434; start it with:  ollama serve  "
            "or say where:  export OLLAMA_HOST=URL",
        ),
        (
            "openai",
            Trouble.NOTHING_LISTENS,
            "nothing listens at https://api.openai.com/v1; check its address, https://api.openai.com/v1, "
            "or where it is:  export OPENAI_API_BASE=URL",
        ),
        (
            "openai",
            Trouble.WRONG_ENDPOINT,
            "no model API is at that path; check its address, https://api.openai.com/v1, "
            "or where it is:  export OPENAI_API_BASE=URL",
        ),
        ("groq", Trouble.TIMED_OUT, "no answer in time; give it more:  --timeout 120"),
    ],
)
def test_words(name: str, trouble: Trouble, said: str) -> None:
    assert words(name, trouble, key_label="env:GROQ_API_KEY") == said


def test_all_local_servers_but_the_generic_one_can_be_started() -> None:
    local = {spec.provider_id: start_command(spec) for spec in KNOWN.list_providers("local")}
    assert {name for name, command in local.items() if not command} <= {"openai-compatible"}
    assert set(START.values()) <= set(local.values())


def test_what_an_endpoint_lacks() -> None:
    assert missing_variables(KNOWN.get("cloudflare") or KNOWN.require("groq")) == (
        "needs CLOUDFLARE_ACCOUNT_ID; set:  export CLOUDFLARE_ACCOUNT_ID=…"
    )
    there = registry({}, {"CLOUDFLARE_ACCOUNT_ID": "abc"})
    assert missing_variables(there.require("cloudflare")) == ""
