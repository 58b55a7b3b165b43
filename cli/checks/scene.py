"""What the doctor's checks look at: a profile and all that belongs to it, as far as it can be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from ringlet_mitm.addons.authority import Authority, authority_in
from ringlet_mitm.addons.credentials.proxy_login import ProxyLogin, login_of
from ringlet_mitm.addons.installed_agents import InstalledAgent, installed_agents
from ringlet_mitm.cli.background import Running, running
from ringlet_mitm.cli.rule_setting import Setting
from ringlet_mitm.cli.shell import proxy_url
from ringlet_mitm.rules.agents import presets
from ringlet_mitm.rules.errors import RingletError
from ringlet_mitm.rules.home import Home
from ringlet_mitm.rules.installation import Installation, load_installation
from ringlet_mitm.rules.interception import HostPolicy
from ringlet_mitm.rules.profiles import Profile, load_profile
from ringlet_mitm.rules.providers import registry
from ringlet_mitm.rules.rulebook import RuleBook, load_rulebook
from ringlet_mitm.rules.settings import NO_SETTINGS
from ringlet_mitm.rules.variables import Point

T = TypeVar("T")

# The checks that tell what could not be read.
PROFILE, CONFIG, RULES = "profile", "config", "rules"


@dataclass(frozen=True, slots=True)
class Scene:
    """What cannot be read is in `problems`, by the name of the check that tells it, and stands here as if it were new.

    `running` is the profile's proxy, None where none runs. `starts_agents` asks for real agents to be run.
    """

    home: Home
    environ: Mapping[str, str] = field(repr=False)
    setting: Setting
    book: RuleBook
    problems: Mapping[str, RingletError]
    running: Running | None
    agents: tuple[InstalledAgent, ...]
    starts_agents: bool = False

    @property
    def profile(self) -> Profile:
        """The profile."""
        return self.setting.profile

    @property
    def name(self) -> str:
        """What it is called."""
        return self.profile.name

    @property
    def routing_file(self) -> Path:
        """Where its rules are, or would be."""
        return self.setting.routing_file

    @property
    def authority(self) -> Authority:
        """The files of the certificate authority, there or not."""
        return authority_in(self.home.ca_dir)

    @property
    def decrypted(self) -> frozenset[str]:
        """The hosts that the profile's proxy decrypts."""
        return HostPolicy.of(presets(), self.profile.intercept).hosts

    @property
    def login(self) -> ProxyLogin | None:
        """What the proxy asks its clients for."""
        return None if PROFILE in self.problems else login_of(self.profile, self.environ)

    @property
    def point(self) -> Point:
        """Where agents find the proxy that runs, or would, and the certificates; none is made."""
        url = proxy_url(self.profile, self.running.port if self.running else None)
        url = self.login.within(url) if self.login else url
        return Point(url, self.authority.certificate, self.authority.bundle, tuple(self.profile.intercept))


def scene_of(home: Home, name: str, environ: Mapping[str, str], *, starts_agents: bool = False) -> Scene:
    """Read all of it."""
    problems: dict[str, RingletError] = {}

    def read(what: str, reading: Callable[[], T], instead: Callable[[], T]) -> T:
        try:
            return reading()
        except RingletError as error:
            problems.setdefault(what, error)
            return instead()

    def whole(found: Profile) -> Profile:
        """Its hosts and its login too."""
        HostPolicy.of(presets(), found.intercept)
        login_of(found, environ)
        return found

    profile = read(PROFILE, lambda: load_profile(home, name), lambda: Profile(name=name))
    profile = read(PROFILE, lambda: whole(profile), lambda: profile)
    installation = read(
        CONFIG, lambda: load_installation(home, environ), lambda: Installation(registry({}, environ), NO_SETTINGS)
    )
    setting = Setting(home, profile, installation, environ)
    book = read(RULES, setting.book_in_force, lambda: load_rulebook("", "", installation.registry))
    found = read(PROFILE, lambda: running(home, profile), lambda: None)
    agents = tuple(installed_agents(environ))
    return Scene(home, environ, setting, book, problems, found, agents, starts_agents)
