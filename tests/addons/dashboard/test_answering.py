from __future__ import annotations

import json
from datetime import datetime
from io import BytesIO
from pathlib import Path

import pytest
from ledgers import reference, request

from ringlet_mitm.addons.dashboard.answering import FRESH_S, MOST_KEPT, Answers, serve
from ringlet_mitm.addons.usage.ledger import insert, transaction, writing
from ringlet_mitm.addons.usage.rows import RequestRow


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def store(database: Path, rows: list[RequestRow]) -> None:
    with writing(database) as connection, transaction(connection):
        insert(connection, [(row, ()) for row in rows])


@pytest.fixture
def database(tmp_path: Path) -> Path:
    found = tmp_path / "usage.duckdb"
    store(found, reference())
    return found


def requests(answers: Answers, question: str = "usage") -> int:
    said = answers.said(question)
    assert said.status == 200
    count = json.loads(said.body)["total"]["requests"]
    assert isinstance(count, int)
    return count


def test_answers_are_remembered_for_seconds(database: Path, tmp_path: Path) -> None:
    clock = Clock()
    answers = Answers(database, tmp_path / "spool", clock=clock)
    assert requests(answers) == 1754
    store(database, [request()])
    assert requests(answers) == 1754
    assert requests(answers, "usage?profile=work") == 1755
    clock.now += FRESH_S
    assert requests(answers) == 1755


@pytest.mark.parametrize(
    ("question", "status", "why"),
    [
        ("usage?period=never", 400, "there is no 'never'"),
        ("usage?color=red", 400, "nothing is called 'color'"),
        ("secrets", 404, "nothing is known about 'secrets'"),
        ("", 404, "nothing is known"),
    ],
)
def test_what_cannot_be_answered(question: str, status: int, why: str, database: Path, tmp_path: Path) -> None:
    said = Answers(database, tmp_path / "spool").said(question)
    assert said.status == status
    assert why in json.loads(said.body)["problem"]


def test_a_broken_ledger_is_said(tmp_path: Path) -> None:
    broken = tmp_path / "usage.duckdb"
    broken.write_bytes(b"this is no database")
    said = Answers(broken, tmp_path / "spool").said("usage")
    assert said.status == 503
    assert "usage.duckdb" in json.loads(said.body)["problem"]


def test_no_ledger_yet_is_no_problem(tmp_path: Path) -> None:
    assert requests(Answers(tmp_path / "usage.duckdb", tmp_path / "spool")) == 0


def test_not_everything_is_kept(tmp_path: Path) -> None:
    answers = Answers(tmp_path / "usage.duckdb", tmp_path / "spool", now=lambda: datetime(2026, 11, 21))
    first = answers.said("usage?model=0").body
    for place in range(1, MOST_KEPT + 1):
        answers.said(f"live?{place}")
        answers._keep(f"usage?model={place}", answers.said("usage?model=0"))
    assert len(answers._kept) == MOST_KEPT
    assert answers.said("usage?model=0").body == first


def test_a_line_a_question(database: Path, tmp_path: Path) -> None:
    told = BytesIO()
    serve(Answers(database, tmp_path / "spool"), BytesIO(b"usage\nusage?period=never\nlive\n"), told)
    lines = told.getvalue().splitlines()
    assert [line.partition(b" ")[0] for line in lines] == [b"200", b"400", b"200"]
    assert json.loads(lines[0].partition(b" ")[2])["total"]["requests"] == 1754
