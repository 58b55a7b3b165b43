"""Reads the files that make a ruling: the profile's routing.toml, config.toml, and the person's provider files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ringlet_mitm.addons.live import Ruling
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.home import Home
from ringlet_mitm.rules.installation import load_installation
from ringlet_mitm.rules.profiles import Profile
from ringlet_mitm.rules.rulebook import load_rulebook


@dataclass(frozen=True, slots=True)
class RulingFiles:
    """Where they are for one profile."""

    home: Home
    profile: Profile
    environ: Mapping[str, str] = field(repr=False)

    def load(self) -> Ruling:
        """All of them, read and checked; raises ConfigError, and then nothing has changed."""
        found, profile = load_installation(self.home, self.environ), self.profile
        if profile.provider is not None:
            found.registry.require(profile.provider)
        path = self.home.routing_file(profile.name)
        settings, usual = found.routing_for(profile), found.usual_for(profile)
        book = load_rulebook(self._text(path), str(path), found.registry, profile.provider, settings, usual)
        return Ruling(book, found.registry, found.pin_for(profile), found.settings)

    def watched(self) -> list[Path]:
        """The files and folders whose change means a new ruling."""
        home = self.home
        files = [home.routing_file(self.profile.name), home.config_file, home.models_file, home.price_update]
        return [*files, home.providers_dir, *sorted(home.providers_dir.glob("*.toml"))]

    def _text(self, path: Path) -> str:
        """The rules, none where there is no file or routing is off."""
        if self.profile.proxy == "none":
            return ""
        try:
            return path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot be read: {error}", file=str(path)) from None
