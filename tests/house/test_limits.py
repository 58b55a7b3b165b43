"""The maxima that tell a house from a maze."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for room in ("rules", "addons", "cli") for path in (ROOT / room).rglob("*.py"))
MAX_FILE_LINES = 350
MAX_FUNCTION_LINES = 50
# As nearly all are; the others have to be worth it.
USUAL_FILE_LINES = 300
USUAL_SHARE = 0.97


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_and_functions_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_FILE_LINES
    assert [item for item in functions(path) if item[1] > MAX_FUNCTION_LINES] == []


def test_nearly_all_files_are_shorter_still() -> None:
    longer = [path for path in SOURCES if len(path.read_text().splitlines()) > USUAL_FILE_LINES]
    assert len(longer) <= (1 - USUAL_SHARE) * len(SOURCES), longer


def test_packages_import_nothing_by_themselves() -> None:
    assert [path for path in SOURCES if path.name == "__init__.py" and path.read_text().strip()] == []
