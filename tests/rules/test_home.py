"""Paths from variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.home import Home, home_of


def test_xdg_defaults_lie_under_the_users_folder() -> None:
    home = home_of({"HOME": "/u"})
    assert home == Home(
        config=Path("/u/.config/ringlet"),
        data=Path("/u/.local/share/ringlet"),
        state=Path("/u/.local/state/ringlet"),
        cache=Path("/u/.cache/ringlet"),
        legacy=Path("/u/.ringlet"),
    )


@pytest.mark.parametrize(
    ("variable", "folder"),
    [
        ("XDG_CONFIG_HOME", "config"),
        ("XDG_DATA_HOME", "data"),
        ("XDG_STATE_HOME", "state"),
        ("XDG_CACHE_HOME", "cache"),
    ],
)
def test_xdg_variables_are_obeyed(variable: str, folder: str) -> None:
    assert getattr(home_of({"HOME": "/u", variable: "/x"}), folder) == Path("/x/ringlet")


@pytest.mark.parametrize("value", ["", "relative/folder"])
def test_xdg_variables_that_are_no_absolute_path_are_ignored(value: str) -> None:
    assert home_of({"HOME": "/u", "XDG_CONFIG_HOME": value}).config == Path("/u/.config/ringlet")


def test_ringlet_home_holds_everything() -> None:
    home = home_of({"HOME": "/u", "RINGLET_HOME": "/one", "XDG_DATA_HOME": "/x"})
    paths = (home.profile_file("work"), home.routing_file("work"), home.providers_dir, home.ca_dir, home.database)
    paths += (home.spool_dir, home.log_dir, home.price_cache)
    assert all(path.is_relative_to("/one") for path in paths)
    assert home.legacy is None


def test_ringlet_home_may_begin_with_a_tilde() -> None:
    assert home_of({"HOME": "/u", "RINGLET_HOME": "~/.ringlet"}).routing_file("work") == Path(
        "/u/.ringlet/profiles/work/routing.toml"
    )


def test_no_home_at_all_is_an_error() -> None:
    with pytest.raises(ConfigError, match="HOME"):
        home_of({})


def test_the_names_of_files() -> None:
    home = home_of({"HOME": "/u"})
    assert home.profile_file("work") == Path("/u/.config/ringlet/profiles/work/profile.toml")
    assert home.database == Path("/u/.local/share/ringlet/usage.duckdb")
    assert home.spool_dir == Path("/u/.local/state/ringlet/spool")


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [
        pytest.param(True, False, "new", id="only the config folder has it"),
        pytest.param(False, True, "old", id="only ~/.ringlet has it"),
        pytest.param(True, True, "new", id="both: the config folder's"),
        pytest.param(False, False, "new", id="none: where it is to be written"),
    ],
)
def test_routing_files_are_found_in_both_places(tmp_path: Path, new: bool, old: bool, expected: str) -> None:
    paths = {
        "new": tmp_path / ".config/ringlet/profiles/work/routing.toml",
        "old": tmp_path / ".ringlet/profiles/work/routing.toml",
    }
    for name, there in (("new", new), ("old", old)):
        if there:
            paths[name].parent.mkdir(parents=True)
            paths[name].write_text("")
    assert home_of({"HOME": str(tmp_path)}).routing_file("work") == paths[expected]
