"""The ledger: what the load left behind, and the report on a million rows."""

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
    "routed_model": "'claude-haiku-4-5'",
    "input_tokens": "i % 5000",
    "cache_read_tokens": "i % 90000",
    "output_tokens": "i % 700",
    "usage_source": "'reported'",
    "cost_total": "CAST((i % 700) / 1000 AS DECIMAL(18,10))",
    "status": "200",
    "switched_from": "CASE i % 40 WHEN 0 THEN 'groq/llama-3.3-70b-versatile' ELSE '' END",
    "cost_switch": "CASE i % 40 WHEN 0 THEN 0.05 ELSE 0 END",
    "attempts": "1",
}


def check_recorded(folder: Path) -> None:
    """Every request of the load left a row; a bench of a proxy that records nothing would flatter it."""
    words = ["usage", "--profile", PROFILE, "--by-rule", "--period", "all", "--json"]
    said = subprocess.run([str(BIN / "ringlet-mitm"), *words], env=environment(folder), capture_output=True, text=True)
    if said.returncode or LAST_RULE not in said.stdout:
        sys.exit(f"bench: the requests were not recorded: {said.stdout[:500]} {said.stderr[:500]}")
    print(f"bench: recorded {json.loads(said.stdout)}"[:300], file=sys.stderr)


def report_figures(folder: Path, starts: int) -> list[Figure]:
    """`usage --by-rule` as a person types it, process start included."""
    other = folder / "million"
    environ = environment(other)
    home = home_of(environ)
    set_up(home, 1)
    fill(home.database)
    command = [str(BIN / "ringlet-mitm"), "usage", "--profile", PROFILE, "--by-rule", "--period", "all"]
    times = []
    for _ in range(starts + 1):
        begun = time.perf_counter()
        subprocess.run(command, env=environ, check=True, capture_output=True)
        times.append(time.perf_counter() - begun)
    return [Figure("`usage --by-rule` on 1,000,000 rows", "s", (), tuple(times[1:]), Target("≤", 0.5, absolute=True))]


def fill(database: Path) -> None:
    """A ledger of a million made-up rows."""
    defaults = {"VARCHAR": "''", "BOOLEAN": "false", "INTEGER": "0", "BIGINT": "0", "DOUBLE": "1.0"}
    chosen = []
    for name, sql in columns(RequestRow).items():
        kind = sql.split("(")[0].split()[0]
        chosen.append(f"{MADE.get(name) or defaults.get(kind, 'NULL')} AS {name}")
    with writing(database) as connection:
        connection.execute(f"INSERT INTO requests BY NAME SELECT {', '.join(chosen)} FROM range({ROWS}) AS t(i)")
