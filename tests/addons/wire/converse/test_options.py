from __future__ import annotations

import json

import pytest
from bedrock import CLAUDE, LLAMA, NOVA, NOVA_2, OPUS_46, SONNET_37, rendered

from ringlet_mitm.addons.wire.canonical import AnswerFormat, Effort, Json, Options, Reasoning, Text
from ringlet_mitm.addons.wire.codec import Untranslatable

KNOBS = Options(max_tokens=500, temperature=0.5, top_p=0.9, top_k=7)


BOTH = {"maxTokens": 500, "temperature": 0.5, "topP": 0.9}


@pytest.mark.parametrize(
    ("model", "reasoning", "inference", "more", "losses"),
    [
        pytest.param(SONNET_37, None, BOTH, {"top_k": 7}, [], id="an older Claude"),
        pytest.param(CLAUDE, None, {"maxTokens": 500, "temperature": 0.5}, {"top_k": 7}, ["top_p"], id="not both"),
        pytest.param(
            "us.anthropic.claude-opus-4-8",
            None,
            {"maxTokens": 500},
            None,
            ["temperature", "top_p", "top_k"],
            id="a newer Claude",
        ),
        pytest.param(
            OPUS_46,
            Reasoning(budget=-1),
            {"maxTokens": 500},
            {"thinking": {"type": "adaptive"}},
            ["temperature", "top_p", "top_k"],
            id="a Claude that thinks",
        ),
        pytest.param(NOVA, None, BOTH, {"inferenceConfig": {"topK": 7}}, [], id="Nova"),
        pytest.param(
            NOVA_2,
            Reasoning(effort=Effort.HIGH),
            None,
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}},
            ["max tokens", "temperature", "top_p", "top_k"],
            id="Nova thinks hard",
        ),
        pytest.param(LLAMA, None, BOTH, None, ["top_k"], id="Llama"),
    ],
)
def test_sampling(
    model: str, reasoning: Reasoning | None, inference: Json | None, more: Json | None, losses: list[str]
) -> None:
    body, lost = rendered(model=model, options=KNOBS, reasoning=reasoning)
    assert (body.get("inferenceConfig"), body.get("additionalModelRequestFields")) == (inference, more)
    assert sorted(lost) == sorted(losses)


@pytest.mark.parametrize(
    ("options", "fields", "losses"),
    [
        pytest.param(Options(temperature=1.7), {"inferenceConfig": {"temperature": 1}}, ["temperature"], id="too warm"),
        pytest.param(
            Options(max_tokens=200_000), {"inferenceConfig": {"maxTokens": 64_000}}, ["max tokens"], id="too long"
        ),
        pytest.param(
            Options(stop=("END", " ")),
            {"inferenceConfig": {"stopSequences": ["END"]}, "additionalModelResponseFieldPaths": ["/stop_sequence"]},
            ["stop sequences"],
            id="stops",
        ),
        pytest.param(Options(service_tier="priority"), {"serviceTier": {"type": "priority"}}, [], id="a tier"),
        pytest.param(Options(service_tier="auto"), {}, [], id="any tier"),
        pytest.param(Options(service_tier="scale"), {}, ["service tier"], id="a tier of others"),
        pytest.param(
            Options(seed=1, presence_penalty=0.5, logprobs=True, verbosity="low", user="me", cache_key="k"),
            {},
            ["seed", "presence penalty", "logprobs", "verbosity"],
            id="what there is not",
        ),
    ],
)
def test_other_knobs(options: Options, fields: Json, losses: list[str]) -> None:
    body, lost = rendered(options=options)
    assert ({key: value for key, value in body.items() if key != "messages"}, lost) == (fields, losses)


def test_several_answers_are_refused() -> None:
    with pytest.raises(Untranslatable, match="one answer a request, not 2"):
        rendered(options=Options(candidates=2))


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def test_the_form_of_an_answer() -> None:
    wish = AnswerFormat(SCHEMA, "n")
    body, losses = rendered(answer_format=wish)
    definition = body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert json.loads(definition["schema"]) == SCHEMA | {"additionalProperties": False, "required": []}
    assert (definition["name"], losses) == ("n", [])
    body, losses = rendered(answer_format=wish, model=NOVA)
    assert body["system"][0]["text"].endswith(json.dumps(SCHEMA, separators=(",", ":")))
    assert losses == ["answer schema"]
    body, losses = rendered(answer_format=AnswerFormat(), system=(Text("s"),))
    assert (len(body["system"]), losses) == (2, ["JSON mode"])
