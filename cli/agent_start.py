"""What `run` starts: the profile, the program, and the environment that leads it to the proxy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import click

from ringlet_mitm.cli.foreground import NOT_EXECUTABLE, NOT_FOUND, run_in_foreground
from ringlet_mitm.cli.profile_choice import chosen, loaded_or_made
from ringlet_mitm.cli.shell import point_of
from ringlet_mitm.rules.agents import AgentPreset, preset_for, preset_of
from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.home import Home
from ringlet_mitm.rules.profiles import Profile
from ringlet_mitm.rules.variables import RUN_BY, variables_of, without_ours

Say = Callable[[str], None]


class NotInstalled(click.ClickException):
    """A program that is not there; the text says how to get it."""

    exit_code = NOT_FOUND

    def show(self, file: IO[Any] | None = None) -> None:
        """One line, as all our errors are."""
        click.echo(f"ringlet-mitm: {self.message}", err=True)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run: the words, the file behind the first of them, and which agent that is, if it is one we know.

    `around` is the environment without what `ringlet-mitm env` has set in it.
    """

    home: Home
    profile: Profile
    words: tuple[str, ...]
    file: str
    preset: AgentPreset | None
    around: Mapping[str, str]

    def run(self, port: int, say: Say) -> int:
        """In the foreground, led to the proxy at that port; its exit code."""
        point = point_of(self.home, self.profile, self.around, port)
        environ = {**self.around, **variables_of(self.preset, point, self.around), RUN_BY: self.profile.name}
        self._look_for_daemons(point.url, say)
        for name in self.preset.file.base_urls if self.preset else ():
            if environ.get(name):
                say(f"{name} is set, so {self.words[0]} goes past the proxy, to {environ[name]}")
        try:
            return run_in_foreground((self.file, *self.words[1:]), environ)
        except OSError as error:
            click.echo(f"ringlet-mitm: {self.file} cannot be started: {error.strerror}", err=True)
            return NOT_EXECUTABLE

    def _look_for_daemons(self, url: str, say: Say) -> None:
        """Say which of the agent's own daemons would do its work past the proxy."""
        if self.preset is None or not self.preset.file.daemons:
            return
        from ringlet_mitm.cli.left_running import ending, led_elsewhere, named  # only for agents that have such

        for one in led_elsewhere(self.around, self.preset, url):
            where = f"for another proxy, {one.url}" if one.url else "without a proxy"
            past = f"{named([one])} runs since before, started {where}: what it does goes past this one"
            say(f"{past}; end it first:  {ending([one])}")


def planned(home: Home, name: str | None, words: tuple[str, ...], environ: Mapping[str, str], say: Say) -> Plan:
    """What to run; a profile that is not there is made, which is said. Without words, it is the profile's agent.

    Raises NotInstalled.
    """
    profile = loaded_or_made(home, chosen(home, name), environ, say)
    around = without_ours(environ)
    own = preset_of(profile.agent) if profile.agent else None
    if not words:
        if own is None or not own.file.programs:
            raise UsageError(f"say what to run:  ringlet-mitm run --profile {profile.name} -- claude")
        words = own.file.programs[:1]
    preset = preset_for(words[0])
    file = shutil.which(words[0], path=around.get("PATH")) or _beside_path(words[0], preset, around)
    if file:
        return Plan(home, profile, words, file, preset, around)
    install = f"; install it:  {preset.file.install}" if preset and preset.file.install else ""
    raise NotInstalled(f"{words[0]} is not installed, or not on PATH{install}")


def _beside_path(word: str, preset: AgentPreset | None, environ: Mapping[str, str]) -> str:
    if preset is None or Path(word).name != word or os.sep in word:
        return ""
    from ringlet_mitm.addons.installed_agents import installed_agents  # only where PATH has none

    return next((str(one.program) for one in installed_agents(environ, [preset])), "")
