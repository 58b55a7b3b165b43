"""What is installed: every folder with code, and the data beside it."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
ROOMS = ("rules", "addons", "cli")
TOP = {
    "pyproject.toml",
    "README.md",
    "addons",
    "rules",
    "cli",
    "tests",
    "fixtures",
    "Makefile",
    "LICENSE",
    "CHANGELOG.md",
}


def packages() -> dict[str, Path]:
    """Every folder that holds code, by the name that it is installed under."""
    found = (folder.parent for room in ROOMS for folder in (ROOT / room).rglob("*.py"))
    return {"ringlet_mitm." + ".".join(folder.relative_to(ROOT).parts): folder for folder in found}


def test_every_package_is_named() -> None:
    assert set(SETTINGS["packages"]) == set(packages())
    assert {name: (ROOT / folder) for name, folder in SETTINGS["package-dir"].items()} == packages()


def test_all_data_goes_along() -> None:
    wanted = {
        path
        for folder in packages().values()
        for path in folder.rglob("*")
        if path.suffix in (".toml", ".sql", ".xz", ".html", ".css", ".js", ".txt") or path.name == "py.typed"
    }
    taken = {
        path
        for name, patterns in SETTINGS["package-data"].items()
        for pattern in patterns
        for path in packages()[name].glob(pattern)
    }
    assert wanted == taken


def test_the_top_is_as_it_was_laid_out() -> None:
    made = {"build", "dist"}
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".") and path.suffix != ".egg-info"}
    assert found - made == TOP
