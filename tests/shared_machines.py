"""Machines that share a store, each a home of its own, whose processes tests start; and the places for stores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path

import pytest
from children import Child, child
from shared_stores import DUCKDB, install, installed, postgres, s3

MACHINE = """
import logging
from decimal import Decimal
from ringlet_mitm.addons.usage import stores
from ringlet_mitm.rules.ledger_target import taken_from
from ringlet_mitm.rules.errors import LedgerError
logging.basicConfig(level=logging.WARNING, stream=sys.stdout, format="%(message)s")
shared, words = taken_from(sys.argv[2:])
YESTERDAY = request().started_us - 86_400_000_000
spool = Spool(spool_dir, "work")
writer = Writer(spool, database, shared=shared)
def exchange(**given):
    row = request(id=new_id(), cost_total=Decimal("0.25"), project="räuber", **given)
    tried = AttemptRow(request_id=row.id, number=1, provider="anthropic", model="m", started_us=row.started_us)
    return row, (tried,)
def append(count, **given):
    for _ in range(count):
        spool.append(*exchange(**given))
def seen():
    with reading(database, spool_dir, shared=shared, views=()) as connection:
        return connection.execute(
            "SELECT count(*), count(DISTINCT id), sum(cost_total), (SELECT count(*) FROM attempts),"
            " min(project), min(origin) FROM requests").fetchone()
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where stores of a kind are made, and the environment that reaches them."""

    kind: str
    environ: dict[str, str]
    database: Callable[[str], str] | None = None

    def store(self, folder: Path) -> tuple[str, ...]:
        """A new one, as the arguments of a process."""
        name = f"s{next(_numbers)}"
        files = f"s3://team/{name}" if "s3" in self.kind else str(folder / "store")
        if self.database is None:
            if "s3" not in self.kind:
                Path(files).mkdir()
            return "--shared", files, ""
        return "--shared", f"ducklake:postgres:{self.database(name)}", files


_numbers = count()


def at(*kinds: str) -> pytest.MarkDecorator:
    """A place is made once for all tests of its kind that follow each other."""
    return pytest.mark.parametrize("place", kinds, indirect=True, scope="module")


class Servers:
    """Of which there is one each for all places, once one is asked for."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack, self._folder = stack, folder

    @cached_property
    def s3(self) -> dict[str, str]:
        return self._stack.enter_context(s3())

    @cached_property
    def postgres(self) -> Callable[[str], str]:
        return self._stack.enter_context(postgres(self._folder))


@pytest.fixture(scope="module", autouse=True)
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    install()
    with ExitStack() as stack:
        yield Servers(stack, tmp_path_factory.mktemp("servers"))


@pytest.fixture(scope="module")
def place(request: pytest.FixtureRequest, servers: Servers) -> Place:
    environ = dict(os.environ)
    if request.param != "directory":
        environ["PYTHONPATH"] = str(installed(DUCKDB))
    if "s3" in request.param:
        environ.update(servers.s3)
    return Place(request.param, environ, servers.postgres if "ducklake" in request.param else None)


@dataclass(frozen=True, slots=True)
class Machine:
    """A home with its own spool and database, sharing a store."""

    folder: Path
    store: tuple[str, ...]
    environ: dict[str, str]

    def runs(self, script: str, *words: str) -> AbstractContextManager[Child]:
        return child(script, self.folder, *self.store, *words, environ=self.environ)

    def says(self, script: str, *words: str) -> list[str]:
        with self.runs(script, *words) as process:
            return process.rest()


@pytest.fixture
def machines(place: Place, tmp_path: Path) -> tuple[Machine, Machine]:
    store = place.store(tmp_path)
    return Machine(tmp_path / "one", store, place.environ), Machine(tmp_path / "two", store, place.environ)
