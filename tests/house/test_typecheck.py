"""`make lint` must not pass by checking nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(find_spec("mypy") is None, reason="mypy is not installed")
def test_a_planted_type_error_is_found(tmp_path: Path) -> None:
    package = tmp_path / "ringlet_mitm"
    package.mkdir()
    shutil.copytree(ROOT / "rules", package / "rules", ignore=shutil.ignore_patterns("__pycache__", "data"))
    planted = package / "rules" / "planted.py"
    planted.write_text("from ringlet_mitm.rules.pricing import Usage\n\nwrong: str = Usage().total_input\n")
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), "--explicit-package-bases"]
    run = subprocess.run(
        [*command, "--cache-dir", str(tmp_path / "cache"), "ringlet_mitm/rules/planted.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert 'expression has type "int", variable has type "str"' in run.stdout
