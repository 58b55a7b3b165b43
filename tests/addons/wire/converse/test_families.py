from __future__ import annotations

import pytest

from ringlet_mitm.addons.wire.converse.families import Thinks, family_of, signer_of
from ringlet_mitm.rules.shapes import WireFormat

ARN = "arn:aws:bedrock:us-east-1:123456789012:"


@pytest.mark.parametrize(
    ("model", "thinks", "schemas", "hour"),
    [
        ("anthropic.claude-3-haiku-20240307-v1:0", Thinks.CLAUDE, False, False),
        ("us.anthropic.claude-opus-4-1-20250805-v1:0", Thinks.CLAUDE, False, False),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", Thinks.CLAUDE, True, True),
        ("global.anthropic.claude-sonnet-5", Thinks.CLAUDE, True, True),
        (f"{ARN}inference-profile/us.anthropic.claude-opus-4-6-v1", Thinks.CLAUDE, True, True),
        ("us.amazon.nova-pro-v1:0", Thinks.NOT, False, False),
        ("us.amazon.nova-2-lite-v1:0", Thinks.NOVA, False, False),
        ("openai.gpt-oss-20b-1:0", Thinks.EFFORT, True, False),
        ("us.deepseek.r1-v1:0", Thinks.NOT, False, False),
        ("deepseek.v3-v1:0", Thinks.NOT, True, False),
        (f"{ARN}application-inference-profile/abc", Thinks.NOT, True, False),
    ],
)
def test_what_a_model_takes(model: str, thinks: Thinks, schemas: bool, hour: bool) -> None:
    family = family_of(model)
    assert (family.thinks, family.schemas, family.hour) == (thinks, schemas, hour)


@pytest.mark.parametrize(
    ("model", "signer"),
    [
        ("us.anthropic.claude-opus-4-6-v1", WireFormat.MESSAGES),
        (f"{ARN}application-inference-profile/abc", WireFormat.MESSAGES),
        ("", WireFormat.MESSAGES),
        ("us.amazon.nova-2-lite-v1:0", WireFormat.CONVERSE),
        ("us.deepseek.r1-v1:0", WireFormat.CONVERSE),
    ],
)
def test_whose_signatures_they_are(model: str, signer: WireFormat) -> None:
    assert signer_of(model) is signer
