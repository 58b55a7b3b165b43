"""Reads the files that make a ruling: the profile's routing.toml and the person's provider files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ringlet_mitm.addons.live import Ruling
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.home import Home
from ringlet_mitm.rules.profiles import Profile, provider_texts
from ringlet_mitm.rules.providers import registry
from ringlet_mitm.rules.rulebook import load_rulebook


@dataclass(frozen=True, slots=True)
class RulingFiles:
    """Where they are for one profile."""

    home: Home
    profile: Profile
    environ: Mapping[str, str] = field(repr=False)

    def load(self) -> Ruling:
        """All of them, read and checked; raises ConfigError, and then nothing has changed."""
        providers = registry(provider_texts(self.home), self.environ)
        if self.profile.provider is not None:
            providers.require(self.profile.provider)
        path = self.home.routing_file(self.profile.name)
        book = load_rulebook(self._text(path), str(path), providers, self.profile.provider)
        return Ruling(book, providers, self.profile.pin)

    def watched(self) -> list[Path]:
        """The files and folders whose change means a new ruling."""
        folder = self.home.providers_dir
        return [self.home.routing_file(self.profile.name), folder, *sorted(folder.glob("*.toml"))]

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
