"""Of the ledger, the shared store, disk and prices."""

from __future__ import annotations

import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from ledgers import request

from ringlet_mitm.addons.usage.ledger import insert, transaction, writing
from ringlet_mitm.addons.usage.rows import new_id
from ringlet_mitm.addons.usage.spool import Spool
from ringlet_mitm.cli.checks import books
from ringlet_mitm.cli.checks.finding import State
from ringlet_mitm.cli.checks.scene import Scene, scene_of
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.profiles import Profile, save_profile


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    environ = {"RINGLET_HOME": str(tmp_path), "HOME": str(tmp_path), "PATH": ""}
    save_profile(home_of(environ), Profile(name="work"))
    return scene_of(home_of(environ), "work", environ)


class TestLedger:
    def test_before_anything_is_recorded(self, scene: Scene) -> None:
        (found,) = books.ledger(scene)
        assert (found.state, "nothing is recorded yet" in found.words) == (State.OK, True)
        assert not scene.home.data.exists()

    def test_says_how_much_there_is(self, scene: Scene) -> None:
        scene.home.data.mkdir()
        with writing(scene.home.database) as connection, transaction(connection):
            insert(connection, [(request(id=new_id()), ()) for _ in range(3)])
        (found,) = books.ledger(scene)
        assert (found.state, "3 requests" in found.words) == (State.OK, True)

    def test_says_what_nobody_stores(self, scene: Scene) -> None:
        spool = Spool(scene.home.spool_dir, "work")
        spool.append(request(id=new_id()), ())
        assert [one.state for one in books.ledger(scene)] == [State.OK], "a proxy has it, and will store it"
        spool.close()
        whole, left = books.ledger(scene)
        assert "1 request, 0 MiB, 1 of them on their way" in whole.words
        assert (left.state, left.mend) == (State.WARNING, "ringlet-mitm start --profile work")


class TestStore:
    def test_there_need_be_none(self, scene: Scene) -> None:
        assert [one.state for one in books.store(scene)] == [State.SKIPPED]

    def test_one_that_is_there(self, scene: Scene, tmp_path: Path) -> None:
        (tmp_path / "shared").mkdir()
        scene.home.config_file.write_text(f'[ledger]\ntarget = "{tmp_path / "shared"}"\n')
        assert [one.state for one in books.store(scene)] == [State.OK]

    def test_one_that_is_said_wrong(self, scene: Scene) -> None:
        scene.home.config_file.write_text('[ledger]\ntarget = "ftp://elsewhere"\n')
        assert [one.state for one in books.store(scene)] == [State.BROKEN]


@pytest.mark.parametrize(
    ("free", "state"),
    [(10 << 20, State.BROKEN), (200 << 20, State.WARNING), (9 << 30, State.OK)],
    ids=["full", "narrow", "room"],
)
def test_disk(scene: Scene, monkeypatch: pytest.MonkeyPatch, free: int, state: State) -> None:
    monkeypatch.setattr(books.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert [one.state for one in books.disk(scene)] == [state]


@pytest.mark.parametrize(("days", "state"), [(59, State.OK), (61, State.WARNING)])
def test_prices(scene: Scene, monkeypatch: pytest.MonkeyPatch, days: int, state: State) -> None:
    day = datetime.date.today() - datetime.timedelta(days=days)
    monkeypatch.setattr(books, "known_library", lambda: ("0.2.3", day))
    (found,) = books.prices(scene)
    assert found.state is state
    assert found.mend.startswith("ringlet-mitm models update --from https://") is (state is State.WARNING)
