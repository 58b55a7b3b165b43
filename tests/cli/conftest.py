"""What several tests of commands need."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from left_behind import Begin


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Start a script of that name with these words and variables; it lives until the test is over."""
    begun: list[subprocess.Popen[bytes]] = []

    def start(*words: str, **variables: str) -> int:
        script = tmp_path / words[0]
        script.write_text("echo; read -r _")
        environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **variables}
        process = subprocess.Popen(
            ["bash", str(script), *words[1:]], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        begun.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        return process.pid

    yield start
    for process in begun:
        process.kill()
        process.communicate()
