"""A backtest of a hundred thousand recorded requests, as a person calls it; about half of them are priced anew."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from figures import Figure, Target
from proxies import BIN, PROFILE, environment

from ringlet_mitm.addons.usage.ledger import writing
from ringlet_mitm.addons.usage.rows import RequestRow, columns
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.profiles import Profile, save_profile

ROWS = 100_000
RULES = """
[[rule]]
match = { input-tokens-lt = 20000 }
to = "groq"
model = "llama-3.3-70b-versatile"

[[rule]]
match = { tool-result = true, messages-gt = 90 }
to = "openai"
model = "gpt-5"

[default]
to = "anthropic"
model = "claude-sonnet-4-5"
"""
# Sessions of fifty turns, a minute apart, that grow by 800 tokens each and read what came before from the cache.
MADE = {
    "id": "printf('%012d', i)",
    "started_us": "{now} - 1000000000000 + (i // 50) * 400000000 + (i % 50) * 60000000",
    "ended_us": "{now} - 1000000000000 + (i // 50) * 400000000 + (i % 50) * 60000000 + 4000000",
    "profile": f"'{PROFILE}'",
    "agent": "'claude'",
    "session": "'s' || (i // 50)",
    "agent_format": "'anthropic-messages'",
    "asked_host": "'api.anthropic.com'",
    "asked_provider": "'anthropic'",
    "path": "'/v1/messages'",
    "rule": "'default → anthropic'",
    "provider": "'anthropic'",
    "requested_model": "'claude-sonnet-4-5'",
    "routed_model": "'claude-sonnet-4-5'",
    "stream": "true",
    "messages": "1 + 2 * (i % 50)",
    "tools": "20",
    "tool_result": "i % 3 > 0",
    "counted_tokens": "CASE WHEN i % 2 = 0 THEN 2000 + 800 * (i % 50) END",
    "decision_ratio": "1.1",
    "tokens_high": "5 * (2000 + 800 * (i % 50))",
    "cache_read_tokens": "CASE WHEN i % 50 = 0 THEN 0 ELSE 1200 + 800 * (i % 50) END",
    "cache_write_5m_tokens": "CASE WHEN i % 50 = 0 THEN 2000 ELSE 800 END",
    "output_tokens": "i % 700",
    "usage_source": "'reported'",
    "cost_total": "CAST((i % 700) / 1000 AS DECIMAL(18,10))",
    "status": "200",
    "origin": "'proxy'",
    "attempts": "1",
}


def replay_figures(folder: Path, starts: int) -> list[Figure]:
    """How long each of the starts took; one more before them fills what systems and Python cache."""
    environ = environment(folder / "replayed")
    home = home_of(environ)
    save_profile(home, Profile(name=PROFILE))
    home.routing_file(PROFILE).write_text(RULES[RULES.index("[default]") :])
    file = folder / "backtested.toml"
    file.write_text(RULES)
    fill(home.database)
    command = [str(BIN / "ringlet-mitm"), "rules", "backtest", str(file), "--profile", PROFILE]
    times = []
    for _ in range(starts + 1):
        begun = time.perf_counter()
        subprocess.run(command, env=environ, check=True, capture_output=True)
        times.append(time.perf_counter() - begun)
    return [Figure("`rules backtest` on 100,000 requests", "s", (), tuple(times[1:]), Target("≤", 3.0, absolute=True))]


def fill(database: Path) -> None:
    """A ledger of a hundred thousand made-up requests of the last days."""
    defaults = {"VARCHAR": "''", "BOOLEAN": "false", "INTEGER": "0", "BIGINT": "0", "DOUBLE": "1.0"}
    now = str(time.time_ns() // 1000)
    chosen = []
    for name, sql in columns(RequestRow).items():
        made = MADE.get(name, "").replace("{now}", now)
        chosen.append(f"{made or defaults.get(sql.split('(')[0].split()[0], 'NULL')} AS {name}")
    with writing(database) as connection:
        connection.execute(f"INSERT INTO requests BY NAME SELECT {', '.join(chosen)} FROM range({ROWS}) AS t(i)")
