"""Reads the files that make a ruling: the profile's routing.toml and the person's provider files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ringlet_mitm.addons.live import Ruling
from ringlet_mitm.rules.home import Home
from ringlet_mitm.rules.profiles import Profile
from ringlet_mitm.rules.providers import registry
from ringlet_mitm.rules.rulebook import load_rulebook
from ringlet_mitm.rules.targets import ProfilePin


@dataclass(frozen=True, slots=True)
class RulingFiles:
    """Where they are for one profile."""

    home: Home
    profile: Profile
    environ: Mapping[str, str] = field(repr=False)

    def load(self) -> Ruling:
        """All of them, read and checked; raises ConfigError, and then nothing has changed."""
        raise NotImplementedError

    def watched(self) -> list[Path]:
        """The files and folders whose change means a new ruling."""
        folder = self.home.providers_dir
        return [self.home.routing_file(self.profile.name), folder, *sorted(folder.glob("*.toml"))]
