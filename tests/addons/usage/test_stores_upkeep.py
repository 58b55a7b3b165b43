"""Stores that machines share, while one of them merges, prunes or imports: no report fails, misses or counts twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from children import Child
from shared_machines import MACHINE, Machine, at, machines, place, servers

__all__ = ["machines", "place", "servers"]


def waiting(name: str, word: str) -> str:
    """Of a process: before it calls what has that name it says `word` and waits."""
    return f"""
def slowly(*given, called={name}):
    say("{word}")
    sys.stdin.readline()
    return called(*given)
{name} = slowly
"""


# It puts small files, merges them, and deletes what was merged as soon as every read that had begun by then is over:
# a day without the day.
MERGING = f"""{MACHINE}
from ringlet_mitm.addons.usage import parquet_changes, store_parquet
shown = Path(sys.argv[1]).parent
recorded, record = {{}}, parquet_changes.record
def remembered(connection, target, change, rows):
    record(connection, target, change, rows)
    recorded[change] = time.time_ns()
def number(name):
    return int((shown / name).read_text() or 0) if (shown / name).exists() else 0
def show(name, value):
    (shown / f".{{name}}.{{os.getpid()}}").write_text(str(value))
    (shown / f".{{name}}.{{os.getpid()}}").replace(shown / name)
store_parquet.record = remembered
parquet_changes.is_over = lambda change: recorded[change] < min(number("reader-1"), number("reader-2"))
"""
MERGER = f"""{MERGING}
sys.stdin.readline()
deleted = 0
for turn in range(1, int(words[0]) + 1):
    show("coming", 3 * turn)
    append(3, started_us=YESTERDAY)
    writer.turn()
    show("there", 3 * turn)
    deleted += stores.compact(shared).deleted
while min(number("reader-1"), number("reader-2")) <= max(recorded.values()):
    time.sleep(0.01)
deleted += stores.compact(shared).deleted
show("over", 1)
say(deleted)
"""
READER = f"""{MERGING}
reads = 0
say("ready")
sys.stdin.readline()
while not number("over"):
    show(words[0], time.time_ns())
    least = number("there")
    with reading(database, spool_dir, shared=shared, views=()) as connection:
        # A batch that is just being put has its attempts there first.
        found = connection.execute(
            "SELECT count(*), count(DISTINCT id), (SELECT count(*) FROM attempts WHERE request_id IN"
            " (SELECT id FROM requests)) FROM requests").fetchone()
    assert least <= found[0] <= number("coming"), (least, found, number("coming"))
    assert found[0] == found[1] == found[2], found
    reads += 1
show(words[0], 2**63)
say(reads)
"""
OLD = f"""{MACHINE}
from ringlet_mitm.addons.usage import parquet_changes, retention
LONG_AGO = request().started_us - 400 * 86_400_000_000
CUT = LONG_AGO + 86_400_000_000 - LONG_AGO % 86_400_000_000
def put(count, **given):
    append(count, **given)
    writer.turn()
def spent():
    with reading(database, spool_dir, shared=shared, views=["spend"]) as connection:
        return connection.execute(
            "SELECT CAST(sum(requests) AS BIGINT), sum(known_cost), (SELECT count(*) FROM requests),"
            " (SELECT count(*) FROM attempts) FROM spend").fetchone()
"""
PRUNED = f"""{OLD}
put(5, started_us=LONG_AGO, provider="groq")
put(4, started_us=LONG_AGO)
(late,) = [exchange(started_us=LONG_AGO)]
put(3)
say(*spent())
say(retention.would_prune_shared(shared, CUT).requests)
done = retention.prune_shared(shared, CUT)
say(done.old.requests, done.old.days, done.sums)
say(*spent())
# Merging, deleting, and a row that comes only now change nothing else.
parquet_changes.GRACE_US = -10**9
say(stores.compact(shared).deleted)
say(*spent())
put(1, started_us=LONG_AGO)
say(*spent())
say(retention.prune_shared(shared, CUT).old.requests)
say(*spent(), stores.stored(shared).files > 0)
"""
AGAIN = f"""{OLD}
rows = [exchange(started_us=LONG_AGO) for _ in range(4)]
for row in rows:
    spool.append(*row)
writer.turn()
retention.prune_shared(shared, CUT)
say(*spent())
for row in rows:
    spool.append(*row)
say(*spent())
writer.turn()
say(*spent())
"""
PRUNE = """
try:
    say("pruned", retention.prune_shared(shared, CUT).old.requests)
except LedgerError as error:
    say(error)
"""
# It has read and added up, and waits before it takes out.
PRUNING = OLD + waiting("retention.stores.prune", "read") + PRUNE
# Named before the other, it comes when the other has been told that it stands.
SLOW_PRUNING = f"""{OLD}
from ringlet_mitm.addons.usage import store_parquet
{waiting("store_parquet.record", "named")}
{waiting("store_parquet.stands", "there")}
parquet_changes.YIELDS_S = 1.0
{PRUNE}"""
SPENT = f"{OLD}say(*spent())"
PUT_OLD = f"{OLD}put(int(words[0]), started_us=LONG_AGO)"
LOGS = f"""{OLD}
from dataclasses import replace
from ledgers import NOON
from logged import bills, call, later
from ringlet_mitm.addons.usage.imports import importing
from ringlet_mitm.addons.usage.imports.calls import Section
from ringlet_mitm.addons.usage.imports.logs import AgentLog
calls = [later(call(), 100 * place, key=str(place)) for place in range(6)]
class Log:
    def sections(self, file):
        section = Section()
        for one in self.said:
            section.add(one)
        yield section
log = Log()
folder.mkdir(exist_ok=True)
(folder / "log").touch()
def imported(*said, after_s=100_000):
    log.said = said
    source = AgentLog("claude", "Claude Code", None, log)
    places = [folder / "log"], bills(), database, spool_dir
    found = importing.run(source, *places, now_us=NOON + after_s * 10**6, shared=shared)
    return found.new, found.grown, found.known, found.proxied
"""
IMPORTED_AT_ONCE = f"""{LOGS}
known = importing.known
def slowly(*given):
    found = known(*given)
    say("looked")
    sys.stdin.readline()
    return found
importing.known = slowly
say(*imported(*calls))
importing.known = known
say(*imported(*calls))
"""
IMPORTED = f"""{LOGS}
say(*imported(*calls[:4], after_s=1000))
say(*spent()[:3])
more = replace(calls[0], usage=replace(calls[0].usage, output_tokens=5000))
say(*imported(more, *calls[1:4], after_s=1000))
with reading(database, spool_dir, shared=shared, views=()) as connection:
    say(*connection.execute("SELECT count(*), sum(output_tokens) FROM requests").fetchone())
# The proxy had one of them, and its row comes only now.
one = calls[3]
put(1, started_us=one.started_us, ended_us=one.ended_us + 1, session=one.session,
    input_tokens=one.usage.input_tokens, output_tokens=one.usage.output_tokens)
say(*imported(more, *calls[1:4]))
with reading(database, spool_dir, shared=shared, views=()) as connection:
    say(*connection.execute("SELECT count(*), count(*) FILTER (origin = 'proxy') FROM requests").fetchone())
stores.compact(shared)
say(*imported(more, *calls[1:4]))
"""


@at("directory", "s3")
def test_readers_while_files_are_merged_and_deleted(machines: tuple[Machine, Machine]) -> None:
    one, two = machines
    rounds = 12 if "s3" not in one.store[1] else 5
    with ExitStack() as stack:
        readers = [stack.enter_context(two.runs(READER, f"reader-{number}")) for number in (1, 2)]
        merger = stack.enter_context(one.runs(MERGER, str(rounds)))
        for reader in readers:
            assert reader.line() == "ready"
        for process in (*readers, merger):
            process.go()
        (deleted,) = merger.rest()
        reads = [int(reader.rest()[0]) for reader in readers]
    assert min(reads) >= 3
    # All that was merged: of each table two files a round, but for the first.
    assert int(deleted) == 4 * (rounds - 1)


@at("directory", "ducklake", "s3")
def test_old_days_become_sums_for_all_machines(machines: tuple[Machine, Machine]) -> None:
    one, two = machines
    said = one.says(PRUNED)
    twelve, after, late = "12 3.0000000000", "3 3", "13 3.2500000000"
    assert said[0] == f"{twelve} 12 12"
    assert said[1:4] == ["9", "9 1 2", f"{twelve} {after}"]
    assert said[5:] == [f"{twelve} {after}", f"{late} 4 4", "1", f"{late} {after} True"]
    if one.store[1].startswith("ducklake"):
        assert int(said[4]) >= 0
    else:
        assert said[4] == "4"
    assert two.says(SPENT) == [f"{late} {after}"]


@at("directory", "ducklake")
def test_what_was_pruned_does_not_come_back(machines: tuple[Machine, Machine]) -> None:
    assert machines[0].says(AGAIN) == ["4 1.0000000000 0 0"] * 3


@at("directory", "ducklake")
def test_two_machines_prune_at_once(machines: tuple[Machine, Machine]) -> None:
    one, two = machines
    one.says(PUT_OLD, "7")
    with one.runs(PRUNING) as first, two.runs(PRUNING) as second:
        assert (first.line(), second.line()) == ("read", "read")
        # What comes after they have looked is nobody's sum.
        two.says(PUT_OLD, "2")
        for process in (first, second):
            process.go()
        said = first.rest() + second.rest()
    refused = [line for line in said if "another machine pruned it at the same time" in line]
    assert len(refused) == said.count("pruned 7") == 1
    assert one.says(SPENT) == two.says(SPENT) == ["9 2.2500000000 2 2"]


@contextmanager
def unsettled(one: Machine, two: Machine, *, more: int) -> Iterator[Child]:
    """A prune of seven requests, named first and there second: a quicker one with `more` was told that it stands."""
    one.says(PUT_OLD, "7")
    with one.runs(SLOW_PRUNING) as slow:
        assert slow.line() == "named"
        two.says(PUT_OLD, str(more))
        with two.runs(PRUNING) as quick:
            assert quick.line() == "read"
            quick.go()
            assert quick.rest() == [f"pruned {7 + more}"]
        slow.go()
        assert slow.line() == "there"
        yield slow


@at("directory")
def test_a_prune_that_is_named_first_and_there_second_yields(machines: tuple[Machine, Machine]) -> None:
    one, two = machines
    with unsettled(one, two, more=0) as slow:
        slow.go()
        (said,) = slow.rest()
    assert "another machine pruned it at the same time" in said
    assert one.says(SPENT) == two.says(SPENT) == ["7 1.7500000000 0 0"]


@at("directory")
def test_a_prune_while_two_others_have_not_settled_it(machines: tuple[Machine, Machine]) -> None:
    one, two = machines
    with unsettled(one, two, more=1) as slow, two.runs(PRUNING) as third:
        assert third.line() == "read"
        for process in (slow, third):
            process.go()
        said = slow.rest() + third.rest()
    assert ["another machine pruned it at the same time" in line for line in said] == [True, True]
    assert one.says(SPENT) == two.says(SPENT) == ["8 2.0000000000 0 0"]


@at("directory")
def test_a_prune_that_was_killed_counts_only_with_those_it_built_on(machines: tuple[Machine, Machine]) -> None:
    one, two = machines
    with unsettled(one, two, more=1) as slow:
        with two.runs(SLOW_PRUNING) as third:
            assert third.line() == "named"
            third.go()
            assert third.line() == "there"
            third.kill()
        slow.go()
        (said,) = slow.rest()
    assert "another machine pruned it at the same time" in said
    assert one.says(SPENT) == two.says(SPENT) == ["8 2.0000000000 0 0"]


@at("directory", "ducklake")
def test_two_machines_import_the_same_log_at_once(machines: tuple[Machine, Machine]) -> None:
    one, two = machines
    with one.runs(IMPORTED_AT_ONCE) as first, two.runs(IMPORTED_AT_ONCE) as second:
        assert (first.line(), second.line()) == ("looked", "looked")
        for process in (first, second):
            process.go()
        said = [first.rest(), second.rest()]
    assert said == [["6 0 0 0", "0 0 6 0"]] * 2
    assert one.says(SPENT)[0].split()[0] == two.says(SPENT)[0].split()[0] == "6"


@at("directory", "ducklake")
def test_an_imported_call_grows_and_is_taken_out_again(machines: tuple[Machine, Machine]) -> None:
    one, two = machines
    said = one.says(IMPORTED)
    assert said[0] == "4 0 0 0"
    assert said[2:] == ["0 1 3 0", "4 5300", "0 0 3 1", "4 1", "0 0 3 1"]
    assert two.says(SPENT)[0].split()[0] == "4"
