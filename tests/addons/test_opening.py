"""How long a connection waits."""

from __future__ import annotations

import pytest

from ringlet_mitm.addons.opening import timeout_of
from ringlet_mitm.rules.providers import ProviderRegistry

KNOWN = ProviderRegistry.default()


@pytest.mark.parametrize(
    ("provider", "said", "seconds"),
    [
        ("ollama", None, 120),
        ("ollama", "300", 300),
        ("ollama", "0.5", 0.5),
        ("ollama", "soon", 120),
        ("ollama", "-1", 120),
        ("ollama", "", 120),
        ("groq", "300", 120),
    ],
)
def test_the_providers_variable_says_it_in_seconds(provider: str, said: str | None, seconds: float) -> None:
    environ = {} if said is None else {"OLLAMA_HTTP_TIMEOUT": said}
    assert timeout_of(KNOWN.require(provider), environ) == seconds
