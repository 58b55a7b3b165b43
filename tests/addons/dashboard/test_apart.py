from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from ledgers import reference

from ringlet_mitm.addons.dashboard import apart
from ringlet_mitm.addons.dashboard.apart import MOST_WAITING, AnswersApart
from ringlet_mitm.addons.usage.ledger import insert, transaction, writing

Use = Callable[[AnswersApart], Awaitable[None]]


def used(folder: Path, use: Use, idle_s: float = 60.0) -> None:
    async def run() -> None:
        answers = AnswersApart(folder / "usage.duckdb", folder / "spool", folder / "snapshots", idle_s)
        try:
            await use(answers)
        finally:
            await answers.end()

    asyncio.run(run())


def test_one_process_answers_many_questions(tmp_path: Path) -> None:
    with writing(tmp_path / "usage.duckdb") as connection, transaction(connection):
        insert(connection, [(row, ()) for row in reference()])

    async def use(answers: AnswersApart) -> None:
        said = await asyncio.gather(*(answers.said(f"usage?provider={name}") for name in ("groq", "anthropic", "x")))
        assert [json.loads(one.body)["total"]["requests"] for one in said] == [1284, 470, 0]
        process = answers._process
        assert (await answers.said("usage?period=never")).status == 400
        assert (await answers.said("usage\nlive")).status == 404
        assert answers._process is process
        assert process is not None
        await answers.end()
        assert process.returncode is not None

    used(tmp_path, use)


def test_it_ends_when_nobody_asks(tmp_path: Path) -> None:
    async def use(answers: AnswersApart) -> None:
        assert (await answers.said("live")).status == 200
        process = answers._process
        assert process is not None
        assert await asyncio.wait_for(process.wait(), 20) == 0
        assert answers._process is None
        assert (await answers.said("live")).status == 200

    used(tmp_path, use, idle_s=0.05)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("raise SystemExit(3)", "it ended"),
        ("print('nonsense', flush=True); input()", "failed"),
        ("import sys; sys.stdout.write('200 {'); sys.stdout.flush()", "it ended"),
    ],
)
def test_a_process_that_fails_is_replaced(
    script: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def use(answers: AnswersApart) -> None:
        said = await answers.said("live")
        assert (said.status, why in json.loads(said.body)["problem"]) == (503, True)
        assert answers._process is None

    with monkeypatch.context() as changed:
        changed.setattr(apart, "COMMAND", (sys.executable, "-c", script))
        used(tmp_path, use)


def test_one_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def use(answers: AnswersApart) -> None:
        said = await answers.said("live")
        assert (said.status, "not read within" in said.body.decode()) == (503, True)

    monkeypatch.setattr(apart, "COMMAND", (sys.executable, "-c", "import sys; sys.stdin.read()"))
    monkeypatch.setattr(apart, "LIMIT_S", 0.2)
    used(tmp_path, use)


def test_too_many_at_once_are_turned_away(tmp_path: Path) -> None:
    async def use(answers: AnswersApart) -> None:
        said = await asyncio.gather(*(answers.said("live") for _ in range(MOST_WAITING + 3)))
        assert sorted(one.status for one in said) == [200] * MOST_WAITING + [503] * 3

    used(tmp_path, use)


def test_who_goes_away_leaves_no_answer_for_the_next(tmp_path: Path) -> None:
    async def use(answers: AnswersApart) -> None:
        asking = asyncio.create_task(answers.said("usage"))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert b'"proxies"' in (await answers.said("live")).body

    used(tmp_path, use)
