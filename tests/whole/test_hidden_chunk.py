"""The usage chunk that only the proxy asked for, over a real chunked connection where every event comes by itself."""

from __future__ import annotations

import json

from clients import StartProxy, client, rows

from ringlet_mitm.cli.demo.upstream import Vendor


def test_an_agent_that_did_not_ask_gets_its_whole_stream_without_the_usage_chunk(start_proxy: StartProxy) -> None:
    body = {"model": "gpt-5", "stream": True, "messages": [{"role": "user", "content": "hello"}]}
    with Vendor(delay_ms=10) as slow:
        proxy = start_proxy("", vendor=slow)
        with client(proxy) as http:
            url = "https://api.openai.com/v1/chat/completions"
            answer = http.post(url, json=body, headers={"authorization": "Bearer sk-of-the-agent"})
        events = [line[6:] for line in answer.text.split("\n") if line.startswith("data: ")]
        assert events[-1] == "[DONE]"
        chunks = [json.loads(event) for event in events[:-1]]
        assert all(chunk["choices"] for chunk in chunks)
        assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
        (row,) = rows(proxy)
    assert (row["usage_source"], row["error_class"]) == ("reported", "")
    assert row["input_tokens"] > 0
