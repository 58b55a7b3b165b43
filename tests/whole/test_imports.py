"""An agent's own log, imported and audited beside a proxy that is recording."""

from __future__ import annotations

import json
import subprocess
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clients import StartProxy, client, messages_body, post_messages, rows
from logged import written

from ringlet_mitm.addons.usage.imports.importing import TOO_FRESH
from ringlet_mitm.cli.demo.stage import RunningProxy, program

SESSION = "11111111-2222-3333-4444-555555555555"
BEFORE = 25


def logged(key: str, answer: dict[str, Any], at: datetime) -> dict[str, Any]:
    """A line as Claude Code writes it of an answer."""
    return {
        "type": "assistant",
        "timestamp": at.isoformat().replace("+00:00", "Z"),
        "sessionId": SESSION,
        "requestId": key,
        "cwd": "/home/user/shop",
        "message": answer | {"id": key},
    }


def asked(proxy: RunningProxy, count: int) -> list[dict[str, Any]]:
    """That many requests of Claude Code through the proxy, and its log of them."""
    lines = []
    with client(proxy) as http:
        for number in range(count):
            body = messages_body(f"{number}: " + "word " * number)
            answer = post_messages(http, body, user_agent="claude-cli/2.1", x_claude_code_session_id=SESSION)
            lines.append(logged(f"through-{number}", answer.json(), datetime.now(UTC)))
    return lines


def test_beside_a_running_proxy_nothing_is_lost_and_nothing_counts_twice(
    start_proxy: StartProxy, tmp_path: Path
) -> None:
    proxy = start_proxy('[default]\nto = "passthrough"\n')
    folder = tmp_path / "projects"
    log = folder / "-shop" / f"{SESSION}.jsonl"
    usage = {"input_tokens": 9, "output_tokens": 3}
    old = {"model": "claude-opus-4-8", "stop_reason": "end_turn", "usage": usage}
    around = [logged(f"around-{n}", old, datetime(2026, 11, 1, 12, n, tzinfo=UTC)) for n in range(BEFORE)]
    written(log, [*around, *asked(proxy, 5)])
    busy = threading.Thread(target=asked, args=(proxy, 60))
    busy.start()
    said = json.loads(proxy.run("usage", "import", "claude", str(folder), "--json"))
    again = json.loads(proxy.run("usage", "import", "claude", str(folder), "--json"))
    busy.join()
    assert (said["new"], again["new"], again["known"]) == (BEFORE, 0, BEFORE)
    # Which of the two the five are depends on how long it took to start the command.
    assert said["proxied"] + said["skipped"].get(TOO_FRESH, 0) == 5
    assert proxy.stop() == 0
    count = "origin, count(*) AS requests, count(DISTINCT id) AS different"
    assert rows(proxy, count, "GROUP BY origin ORDER BY origin") == [
        {"origin": "import:claude", "requests": BEFORE, "different": BEFORE},
        {"origin": "proxy", "requests": 65, "different": 65},
    ]
    report = json.loads(proxy.run("usage", "--json"))
    assert report["total"]["requests"] == BEFORE + 65
    audit = program("usage", "audit", "claude", str(folder), "--json", "--strict")
    found = subprocess.run(audit, env=proxy.environ, capture_output=True)
    assert found.returncode == 1
    sums = {one["part"]: one["requests"] for one in json.loads(found.stdout)["sums"]}
    assert sums == {"around": BEFORE, "equal": 5, "differing": 0, "unlogged": 60}
