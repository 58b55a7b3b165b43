"""The command line in this process, in a home of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from ringlet_mitm.cli.main import group
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.profiles import Profile, load_profile


class CommandLine:
    """`command_line("profiles", "list")` gives what the command prints; it must not fail."""

    def __init__(self, folder: Path, environ: Mapping[str, str] | None = None) -> None:
        self.environ = {"RINGLET_HOME": str(folder), "RINGLET_KEYRING": "0", **(environ or {})}
        self.home: Home = home_of(self.environ)

    def __call__(self, *words: str, **environ: str) -> str:
        result = self.run(*words, **environ)
        assert result.exit_code == 0, f"{result.output}\n{result.exception!r}"
        return result.output

    def run(self, *words: str, **environ: str) -> Result:
        """Whatever comes of it."""
        return CliRunner(env={**self.environ, **environ}).invoke(group, words)

    def json(self, *words: str, **environ: str) -> Any:
        """What it prints as JSON."""
        return json.loads(self(*words, "--json", **environ))

    def profile(self, name: str) -> Profile:
        """A profile as it is on disk."""
        return load_profile(self.home, name)
