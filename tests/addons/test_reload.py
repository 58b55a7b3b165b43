from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from ringlet_mitm.addons.live import Live, Ruling
from ringlet_mitm.addons.reload import Reload
from ringlet_mitm.addons.rulings import RulingFiles
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.profiles import Profile
from ringlet_mitm.rules.tokens import Calibration


def rule(to: str) -> str:
    return f'[[rule]]\nmatch = {{ tool-use = true }}\nto = "{to}"\n'


class Watched:
    """A profile's rules, and the addon that follows them."""

    def __init__(self, tmp_path: Path) -> None:
        self.home: Home = home_of({"RINGLET_HOME": str(tmp_path)})
        self.home.profile_dir("work").mkdir(parents=True)
        self.home.providers_dir.mkdir()
        self.path = self.home.routing_file("work")
        self.path.write_text(rule("groq"))
        files = RulingFiles(self.home, Profile(name="work"), {})
        self.live = Live(files.load(), Calibration())
        self.loads = 0
        self.reload = Reload(self.live, lambda: self._counted(files), files.watched)

    def _counted(self, files: RulingFiles) -> Ruling:
        self.loads += 1
        return files.load()

    def look(self, times: int = 2) -> list[str | None]:
        for _ in range(times):
            self.reload.look()
        return [one.route.provider for one in self.live.ruling.book.rules]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_an_edit_is_in_force_when_it_has_settled(watched: Watched) -> None:
    watched.path.write_text(rule("anthropic"))
    assert watched.look(1) == ["groq"]
    assert watched.look(1) == ["anthropic"]
    assert (watched.look(5), watched.loads) == (["anthropic"], 1)


def test_without_an_edit_nothing_is_read(watched: Watched) -> None:
    assert (watched.look(5), watched.loads) == (["groq"], 0)


def test_a_file_that_is_being_written_is_not_taken_for_empty(watched: Watched) -> None:
    watched.path.write_text("")
    assert watched.look(1) == ["groq"]
    watched.path.write_text(rule("minimax"))
    assert watched.look(1) == ["groq"]
    assert watched.look(1) == ["minimax"]


@pytest.mark.parametrize("rename", [False, True], ids=["written in place", "renamed over it"])
def test_an_edit_that_keeps_time_and_size_is_seen(watched: Watched, rename: bool) -> None:
    before = watched.path.stat()
    edited = watched.path.with_suffix(".new") if rename else watched.path
    edited.write_text(rule("grok").replace("grok", "GROQ"))
    os.utime(edited, ns=(before.st_atime_ns, before.st_mtime_ns))
    if rename:
        edited.replace(watched.path)
    assert watched.path.stat().st_mtime_ns == before.st_mtime_ns
    assert watched.path.stat().st_size == before.st_size
    watched.look()
    assert watched.loads == 1


def test_a_broken_edit_keeps_the_old_rules_and_says_where_it_is_broken(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    old = watched.live.ruling
    watched.path.write_text('[[rule]]\nmatch = { tool-use = true }\ntoo = "groq"\n')
    watched.look(6)
    assert watched.live.ruling is old
    (said,) = caplog.messages
    assert "the old ones stay in force" in said
    assert f"{watched.path}:1: rule.to: is missing" in said
    assert f"{watched.path}:3: rule.too: " in said
    assert "did you mean 'to'?" in said
    watched.path.write_text(rule("anthropic"))
    assert watched.look() == ["anthropic"]


def test_a_deleted_file_means_no_rules(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    watched.path.unlink()
    assert watched.look() == []
    assert "0 rules" in caplog.text
    watched.path.write_text(rule("groq"))
    assert watched.look() == ["groq"]


def test_an_unreadable_file_keeps_the_old_rules(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    watched.path.write_bytes(b"\xff\xfe")
    assert watched.look() == ["groq"]
    assert "cannot be read" in caplog.text


def test_a_folder_in_its_place_keeps_the_old_rules(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    watched.path.unlink()
    watched.path.mkdir()
    assert watched.look() == ["groq"]
    assert f"{watched.path}: cannot be read" in caplog.text


def test_a_chmod_that_makes_it_readable_is_an_edit(watched: Watched) -> None:
    watched.path.chmod(0o640)
    watched.look()
    assert watched.loads == 1


def test_an_edit_of_the_settings_is_one(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    route = '[[model_routes]]\nhint = "gpt-"\nprovider = "openai"\n'
    watched.home.config_file.write_text(route)
    assert watched.look() == ["groq", "openai"]
    watched.home.config_file.write_text(route.replace("openai", "opnai"))
    assert watched.look() == ["groq", "openai"]
    assert "config.toml:3: model_routes.provider: unknown provider 'opnai'; did you mean 'openai'?" in caplog.text
    watched.home.config_file.unlink()
    assert watched.look() == ["groq"]


def test_a_new_provider_file_is_an_edit(watched: Watched) -> None:
    (watched.home.providers_dir / "mine.toml").write_text(
        'name = "mine"\nshape = "openai"\nendpoint = "https://llm.example/v1"\n'
    )
    watched.look()
    assert watched.live.ruling.registry.get("mine") is not None


def test_a_folder_that_may_not_be_looked_into_does_not_end_the_watching(watched: Watched) -> None:
    def closed() -> list[Path]:
        raise PermissionError("closed")

    reload = Reload(watched.live, lambda: watched.live.ruling, closed)
    reload.look()
    reload.look()


async def running(watched: Watched) -> None:
    watched.reload.running()
    await asyncio.sleep(0)
    watched.reload.done()
    task = watched.reload._task
    assert task is not None
    with pytest.raises(asyncio.CancelledError):
        await task


def test_it_stops_when_the_proxy_does(watched: Watched) -> None:
    asyncio.run(running(watched))
