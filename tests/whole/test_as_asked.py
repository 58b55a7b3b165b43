"""What a row says of the folder that an agent works in, and of what the model asked for would have cost."""

from __future__ import annotations

from decimal import Decimal

import httpx
import pytest
from clients import AGENT_KEY, StartProxy, client, messages_body, post_messages, rows

from ringlet_mitm.cli.demo.stage import RunningProxy
from ringlet_mitm.rules.pricelist import PriceBook
from ringlet_mitm.rules.pricing import Usage, cost

MODEL = "claude-sonnet-4-5"
ENVIRONMENT = "# Environment\n - Primary working directory: /home/ada/lovelace\n - Platform: linux\n"
HEADERS = {"user_agent": "claude-cli/2.1.197", "x_claude_code_session_id": "one"}


@pytest.fixture(scope="module")
def proxy(shared_proxy: StartProxy) -> RunningProxy:
    return shared_proxy('[[rule]]\nmatch = { model-prefix = "claude-" }\nto = "groq/llama-3.3-70b-versatile"\n')


@pytest.fixture(scope="module")
def found(proxy: RunningProxy) -> list[dict[str, object]]:
    """The same request three times: through CONNECT, once more in its conversation, and to the proxy itself."""
    with client(proxy) as http:
        for _ in range(2):
            assert post_messages(http, _body(), **HEADERS).status_code == 200
    headers = {name.replace("_", "-"): value for name, value in (HEADERS | {"x_api_key": AGENT_KEY}).items()}
    url = f"http://127.0.0.1:{proxy.port}/v1/messages"
    sent = {**headers, "x-claude-code-session-id": "two", "content-type": "application/json"}
    assert httpx.post(url, content=_body(), headers=sent, trust_env=False).status_code == 200
    return rows(proxy)


def _body() -> bytes:
    return messages_body(model=MODEL, system=ENVIRONMENT)


def test_the_folder_is_named_and_its_path_is_not(found: list[dict[str, object]]) -> None:
    assert [(row["agent"], row["project"]) for row in found] == [("claude", "lovelace")] * 3
    assert "/home" not in str(found)


def test_what_was_asked_for_is_priced_however_it_was_asked(found: list[dict[str, object]]) -> None:
    """The second of the conversation would have found all of the first one's input in the cache."""
    card = PriceBook().card("anthropic", MODEL)
    assert [(row["provider"], row["asked_provider"]) for row in found] == [("groq", "anthropic")] * 3
    tokens_in, tokens_out = int(str(found[0]["input_tokens"])), int(str(found[0]["output_tokens"]))
    plain = cost(Usage(input_tokens=tokens_in, output_tokens=tokens_out), card).total
    cached = cost(Usage(cache_read_tokens=tokens_in, output_tokens=tokens_out), card).total
    assert [Decimal(str(row["cost_as_asked"])) for row in found] == [plain, cached, plain]


def test_the_report_compares_them(proxy: RunningProxy, found: list[dict[str, object]]) -> None:
    assert "model-prefix → groq         3" in proxy.run("usage", "savings")
