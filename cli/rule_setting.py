"""What rules are read against on the command line: a profile, and what holds for all profiles."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import click

from ringlet_mitm.rules.errors import ConfigError, LedgerError
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.installation import Installation, load_installation
from ringlet_mitm.rules.profiles import Profile, load_profile
from ringlet_mitm.rules.providers import ProviderRegistry
from ringlet_mitm.rules.rulebook import RuleBook, load_rulebook
from ringlet_mitm.rules.settings import Settings
from ringlet_mitm.rules.targets import ProfilePin
from ringlet_mitm.rules.tokens import Calibration

DEFAULT_PROFILE = "default"
LEDGER_WAIT_S = 3.0


@dataclass(frozen=True, slots=True)
class Setting:
    """The same files as the proxy's, read the same way."""

    home: Home
    profile: Profile
    installation: Installation
    environ: Mapping[str, str] = field(repr=False)

    @property
    def registry(self) -> ProviderRegistry:
        """The providers, where config.toml puts them."""
        return self.installation.registry

    @property
    def settings(self) -> Settings:
        """What config.toml says."""
        return self.installation.settings

    @property
    def routing_file(self) -> Path:
        """The profile's rules."""
        return self.home.routing_file(self.profile.name)

    @property
    def pin(self) -> ProfilePin:
        """What profile and settings fix."""
        return self.installation.pin_for(self.profile)

    @property
    def obeys_rules(self) -> bool:
        """Whether the profile does."""
        return self.profile.proxy != "none"

    def book(self, text: str, file: str) -> RuleBook:
        """A routing file's text, read, and what follows it for the profile."""
        settings = self.installation.routing_for(self.profile)
        usual = self.installation.usual_for(self.profile)
        return load_rulebook(text, file, self.registry, self.profile.provider, settings, usual)

    def book_in_force(self, rules_file: Path | None = None) -> RuleBook:
        """The rules in force for the profile, or another file's."""
        path = rules_file or self.routing_file
        obeyed = rules_file is not None or self.obeys_rules
        there = rules_file is not None or path.exists()
        return self.book(text_of(path) if obeyed and there else "", str(path))

    def calibration(self) -> Calibration:
        """The token ratios that were learned so far; none without a database, or while somebody holds it."""
        from ringlet_mitm.addons.usage.calibration import learned
        from ringlet_mitm.addons.usage.ledger import stored

        if not self.home.database.exists():
            return Calibration()
        try:
            with stored(self.home.database, wait_s=LEDGER_WAIT_S) as connection:
                return learned(connection)
        except LedgerError as error:
            click.echo(f"ringlet-mitm: token ratios as if nothing was learned: {error}", err=True)
            return Calibration()


def setting_of(name: str | None) -> Setting:
    """The profile's; without a name the default one, which need not exist."""
    home = home_of(os.environ)
    missing = name is None and not home.profile_file(DEFAULT_PROFILE).exists()
    profile = Profile(name=DEFAULT_PROFILE) if missing else load_profile(home, name or DEFAULT_PROFILE)
    return Setting(home, profile, load_installation(home, os.environ), os.environ)


def bytes_of(path: Path) -> bytes:
    """A file that was named by hand; raises ConfigError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", file=str(path)) from None


def text_of(path: Path) -> str:
    """The same as text."""
    try:
        return bytes_of(path).decode()
    except UnicodeDecodeError:
        raise ConfigError("is not UTF-8 text", file=str(path)) from None
