"""The ledger: what the load left behind, and reports on a million rows."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from figures import Figure, Target
from proxies import BIN, LAST_RULE, PROFILE, environment, set_up

from ringlet_mitm.addons.usage.ledger import writing
from ringlet_mitm.addons.usage.rows import RequestRow, columns
from ringlet_mitm.rules.home import home_of

ROWS = 1_000_000
# A month of a heavy user; every column that the report does not read has its usual value.
MADE = {
    "id": "'r' || i",
    "started_us": "1790000000000000 + i * 2592000",
    "first_byte_us": "1790000000000000 + i * 2592000 + 800000",
    "ended_us": "1790000000000000 + i * 2592000 + 4000000",
    "profile": f"'{PROFILE}'",
    "agent": "'claude'",
    "session": "'s' || (i // 200)",
    "agent_format": "'anthropic-messages'",
    "provider_format": "'anthropic-messages'",
    "asked_host": "'api.anthropic.com'",
    "path": "'/v1/messages'",
    "rule": "['tool-use → anthropic', 'the last → bench', 'default → anthropic'][1 + i % 3]",
    "provider": "CASE i % 3 WHEN 1 THEN 'bench' ELSE 'anthropic' END",
    "requested_model": "'claude-sonnet-4-5'",
    "routed_model": "['claude-sonnet-4-5', 'llama-3.3-70b-versatile', 'claude-haiku-4-5'][1 + i % 3]",
    "input_tokens": "i % 5000",
    "cache_read_tokens": "i % 90000",
    "output_tokens": "i % 700",
    "usage_source": "'reported'",
    "cost_total": "CAST((i % 700) / 1000 AS DECIMAL(18,10))",
    "status": "200",
    "switched_from": "CASE i % 40 WHEN 0 THEN 'groq/llama-3.3-70b-versatile' ELSE '' END",
    "cost_switch": "CASE i % 40 WHEN 0 THEN 0.05 ELSE 0 END",
    "project": "'p' || (i // 30000)",
    "origin": "CASE i % 100 WHEN 99 THEN 'shadow' ELSE 'proxy' END",
    "attempts": "CASE WHEN i % 20 = 0 THEN 2 ELSE 1 END",
    "stream": "true",
    "decision_us": "400 + i % 900",
    "counted_tokens": "CASE WHEN i % 3 = 0 THEN 1000 + i % 5000 END",
    "estimated_input_tokens": "CASE WHEN i % 3 = 0 THEN 1100 + i % 5200 END",
    "asked_provider": "'anthropic'",
    "cost_as_asked": "CAST((i % 900) / 1000 AS DECIMAL(18,10))",
    "cost_uncached": "CAST((i % 900) / 800 AS DECIMAL(18,10))",
}
# Every twentieth was overloaded first, and went well half a second later.
TRIES = """
INSERT INTO attempts BY NAME
SELECT
    id AS request_id, number, provider, routed_model AS model, 'env:KEY' AS key_label,
    CASE WHEN number < attempts THEN 529 ELSE 200 END AS status,
    CASE WHEN number < attempts THEN 'overloaded' ELSE '' END AS error_class,
    500 * (number - 1) AS wait_ms, started_us, first_byte_us, ended_us
FROM requests, (SELECT unnest([1, 2]) AS number) WHERE number <= attempts
"""
# As a person types them, process start included. The groupings beside the first have no target.
REPORTS: dict[str, Target | None] = {
    "--by-rule": Target("≤", 0.5, absolute=True),
    "--by model,day": None,
    "--by hour": None,
    "--by session --top 20": None,
    "--by provider,status --model claude-* --period all": None,
    "errors": Target("≤", 1.0, absolute=True),
    "latency": Target("≤", 1.0, absolute=True),
    "cache": Target("≤", 1.0, absolute=True),
    "accuracy": Target("≤", 1.0, absolute=True),
    "savings": Target("≤", 1.0, absolute=True),
    "blocks": Target("≤", 1.0, absolute=True),
}


def check_recorded(folder: Path) -> None:
    """Every request of the load left a row; a bench of a proxy that records nothing would flatter it."""
    words = ["usage", "--profile", PROFILE, "--by-rule", "--period", "all", "--json"]
    said = subprocess.run([str(BIN / "ringlet-mitm"), *words], env=environment(folder), capture_output=True, text=True)
    if said.returncode or LAST_RULE not in said.stdout:
        sys.exit(f"bench: the requests were not recorded: {said.stdout[:500]} {said.stderr[:500]}")
    print(f"bench: recorded {json.loads(said.stdout)}"[:300], file=sys.stderr)


def report_figures(folder: Path, starts: int) -> list[Figure]:
    """Each of REPORTS."""
    other = folder / "million"
    environ = environment(other)
    home = home_of(environ)
    set_up(home, 1)
    fill(home.database)
    return [
        Figure(f"`usage {words}` on 1,000,000 rows", "s", (), _times(words, environ, starts), target)
        for words, target in REPORTS.items()
    ]


def _times(words: str, environ: dict[str, str], starts: int) -> tuple[float, ...]:
    """How long each of the starts took; one more before them fills what systems and Python cache."""
    command = [str(BIN / "ringlet-mitm"), "usage", *words.split(), "--profile", PROFILE]
    times = []
    for _ in range(starts + 1):
        begun = time.perf_counter()
        subprocess.run(command, env=environ, check=True, capture_output=True)
        times.append(time.perf_counter() - begun)
    return tuple(times[1:])


def fill(database: Path) -> None:
    """A ledger of a million made-up requests, and a few more tries."""
    defaults = {"VARCHAR": "''", "BOOLEAN": "false", "INTEGER": "0", "BIGINT": "0", "DOUBLE": "1.0"}
    chosen = []
    for name, sql in columns(RequestRow).items():
        kind = sql.split("(")[0].split()[0]
        chosen.append(f"{MADE.get(name) or defaults.get(kind, 'NULL')} AS {name}")
    with writing(database) as connection:
        connection.execute(f"INSERT INTO requests BY NAME SELECT {', '.join(chosen)} FROM range({ROWS}) AS t(i)")
        connection.execute(TRIES)
