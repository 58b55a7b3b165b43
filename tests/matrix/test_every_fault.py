"""Each fault x HTTP/1.1 and HTTP/2 upstream x stream and whole x same wire and translated x once, for good, alone.

In each cell the agent gets, in time, a right answer or its own format's error, and what was written down adds up.
All cells go through one proxy; each has a provider of its own, so that none spoils another's.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal, cast

import pytest
from clients import StartProxy
from every_fault import FAULTS, Fault
from faulty_runs import BOUND_S, KEY, Agents, Came, Ledger, Provider, ask, ledger, rule, said_by

from ringlet_mitm.cli.demo.faults import ok
from ringlet_mitm.cli.demo.faulty import Alpn, FaultyVendor
from ringlet_mitm.cli.demo.upstream import Vendor

# once: then all is well; for good: another provider is left; alone: for good, and none is left.
How = Literal["once", "for-good", "alone"]
POLICY = {"retries": 1, "backoff_ms": 20}
# Only these are noticed by the time that passes. All others go without a limit: a busy machine, which answers one byte
# at a time, would run into any.
SILENT = ("deaf", "half-open", "half-open-after-headers", "silent-midway")
TIMEOUTS = {"timeout_connect_ms": 3_000, "timeout_first_byte_ms": 3_000, "timeout_idle_ms": 1_500}
MOST_ATTEMPTS = {"once": 2, "for-good": 3, "alone": 2}
STYLES = ("messages", "chat", "responses", "gemini")
A_FAULTS = 24  # cells
# Few at a time, or each waits for all others where a machine is busy; but those that only wait are in nobody's way.
THREADS = 8
SILENT_THREADS = 40


@dataclass(frozen=True, slots=True)
class Cell:
    """A place in the matrix. The formats go round, so that each meets most faults."""

    number: int
    fault: Fault
    alpn: Alpn
    stream: bool
    translated: bool
    how: How

    @property
    def model(self) -> str:
        """What the agent asks for; its name here."""
        words = [self.fault.name, self.alpn.replace("/", ""), "stream" if self.stream else "whole"]
        return "-".join([*words, "translated" if self.translated else "same", self.how])

    @property
    def agent(self) -> str:
        """The agent's format."""
        return STYLES[self._place]

    @property
    def main(self) -> Provider:
        """Where the fault is."""
        shift = 1 + self.number // A_FAULTS % (len(STYLES) - 1) if self.translated else 0
        style = STYLES[(self._place + shift) % len(STYLES)]
        step = self.fault.step
        steps = (step, ok()) if step and self.how == "once" else (step,) if step else ()
        return Provider(f"cell{self.number}", style, self.alpn, steps)

    @property
    def spare(self) -> Provider:
        """Where all is well, in the same format as where it is not."""
        return SPARES[self.main.style]

    @property
    def _place(self) -> int:
        """One further with each fault, or a format would only ever meet the same kind of cells."""
        return (self.number + self.number // A_FAULTS) % len(STYLES)

    @property
    def rule(self) -> str:
        """The rule for it."""
        more: dict[str, Any] = {"fallback": [self.spare.name]} if self.how == "for-good" else {}
        times = TIMEOUTS if self.fault.name in SILENT else {}
        return rule(self.model, self.main, **POLICY, **times, **more)

    @property
    def outcomes(self) -> set[str]:
        """What the agent may get. A right answer is never wrong, but where it can be had there is no excuse."""
        if self.fault.when == "early":
            return {"error"} if self.how == "alone" else {"right"}
        return {"right"} if self.fault.when == "harmless" else {"right", "error"}


SPARES = {style: Provider(f"spare-{style}", style) for style in STYLES}


def _cells() -> list[Cell]:
    hows: tuple[How, ...] = ("once", "for-good", "alone")
    alpns: tuple[Alpn, ...] = ("http/1.1", "h2")
    places = product(FAULTS, alpns, (True, False), (False, True), hows)
    # A place where nobody listens is neither there once, nor does it speak any version of HTTP.
    there = (place for place in places if place[0].step or (place[4] != "once" and place[1] == "http/1.1"))
    return [Cell(number, *place) for number, place in enumerate(there)]


CELLS = _cells()


@dataclass(frozen=True, slots=True)
class Matrix:
    """What came of it."""

    came: dict[str, Came]
    ledger: Ledger
    vendor: FaultyVendor
    said: list[str]


@pytest.fixture(scope="module")
def matrix(shared_proxy: StartProxy) -> Iterator[Matrix]:
    """All cells, run."""
    providers = [*(cell.main for cell in CELLS), *SPARES.values()]
    nobody: dict[str, list[str]] = {
        name: [cell.main.host for cell in CELLS if cell.fault.name == name] for name in ("refused", "deaf")
    }
    elsewhere = {host for hosts in nobody.values() for host in hosts}
    hosts = {one.host: one.alpn for one in providers if one.host not in elsewhere}
    with FaultyVendor(hosts, refusing=nobody["refused"], deaf=nobody["deaf"]) as vendor:
        for one in providers:
            vendor.script(one.host, *one.steps)
        options: dict[str, Any] = {"keys": KEY, "providers": {one.name: one.file for one in providers}}
        proxy = shared_proxy("".join(cell.rule for cell in CELLS), vendor=cast(Vendor, vendor), **options)
        with Agents(proxy) as agents:
            came = _asked(agents)
        yield Matrix(came, ledger(proxy), vendor, proxy.said)


def _asked(agents: Agents) -> dict[str, Came]:
    def one(cell: Cell) -> Came:
        return ask(agents.of(cell.alpn), cell.agent, cell.model, stream=cell.stream)

    with ThreadPoolExecutor(SILENT_THREADS) as waiting, ThreadPoolExecutor(THREADS) as busy:
        coming = {cell.model: (waiting if cell.fault.name in SILENT else busy).submit(one, cell) for cell in CELLS}
    return {model: answer.result() for model, answer in coming.items()}


def test_each_format_meets_each_kind_of_cell() -> None:
    met = {(cell.agent, cell.alpn, cell.stream, cell.translated, cell.how) for cell in CELLS}
    assert len(met) == len(STYLES) * 24
    pairs = {(cell.agent, cell.main.style, cell.stream) for cell in CELLS if cell.translated}
    assert len(pairs) == len(STYLES) * (len(STYLES) - 1) * 2


each_cell = pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.model)


@each_cell
def test_the_agent_gets_what_it_understands_in_time(matrix: Matrix, cell: Cell) -> None:
    came = matrix.came[cell.model]
    assert came.verdict.kind in cell.outcomes, (cell.agent, cell.main.style, came.status, came.verdict)
    assert came.seconds < BOUND_S
    if came.verdict.kind == "right":
        assert came.verdict.text in (said_by(cell.model, cell.main), said_by(cell.model, cell.spare))


@each_cell
def test_what_is_written_down_adds_up(matrix: Matrix, cell: Cell) -> None:
    (row,) = matrix.ledger.requests[cell.model]
    tried = matrix.ledger.attempts[cell.model]
    assert [one["number"] for one in tried] == list(range(1, row["attempts"] + 1))
    assert len(tried) <= MOST_ATTEMPTS[cell.how]
    assert all(one["error_class"] for one in tried[:-1])
    assert (tried[-1]["provider"], tried[-1]["error_class"]) == (row["provider"], row["error_class"])
    came = matrix.came[cell.model]
    assert bool(row["error_class"]) == (came.verdict.kind != "right")
    assert row["status"] == came.status
    if came.verdict.kind == "right":
        assert f"{row['provider']}.faulty.test" in came.verdict.text
        assert (row["usage_source"], row["output_tokens"] > 0) == ("reported", True)


@each_cell
def test_as_many_requests_arrived_as_were_written_down(matrix: Matrix, cell: Cell) -> None:
    here = matrix.vendor.at(cell.main.host)
    assert {heard.version for heard in here} <= {"2" if cell.alpn == "h2" else "1.1"}
    arrived = len(here)
    arrived += sum(
        cell.model.encode() in one.body or cell.model in one.path for one in matrix.vendor.at(cell.spare.host)
    )
    lost = sum(one["error_class"] in ("unreachable", "timed-out") for one in matrix.ledger.attempts[cell.model])
    tried = len(matrix.ledger.attempts[cell.model])
    assert tried - (lost if cell.fault.name in ("refused", "deaf", "certificate") else 0) == arrived


def test_the_proxy_has_nothing_to_complain_of(matrix: Matrix) -> None:
    assert not [line for line in matrix.said if "Traceback" in line or "Error" in line], "\n".join(matrix.said)
