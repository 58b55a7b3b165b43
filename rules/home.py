"""Where everything lives: every path of the program, computed from a mapping of environment variables.

`RINGLET_HOME` puts all under one folder. Else the XDG folders are used on Linux and macOS alike (a person who edits
routing.toml looks in ~/.config, also on a Mac), and the known folders on Windows.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

if sys.platform == "win32":
    from platformdirs.windows import Windows

from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.folders import APP, SNAPSHOTS, folder, person


@dataclass(frozen=True, slots=True)
class Home:
    """The folders of one installation; none of them needs to exist.

    `legacy` is ~/.ringlet, where routing files are read that the config folder does not have; None under
    `RINGLET_HOME`, which is meant to be the whole world.
    """

    config: Path
    data: Path
    state: Path
    cache: Path
    legacy: Path | None = None

    @property
    def profiles_dir(self) -> Path:
        """One folder a profile."""
        return self.config / "profiles"

    def profile_dir(self, name: str) -> Path:
        """The folder of a profile."""
        return self.profiles_dir / name

    def profile_file(self, name: str) -> Path:
        """What `profiles create` and `set` write."""
        return self.profile_dir(name) / "profile.toml"

    def routing_file(self, name: str) -> Path:
        """The person's rules: in the config folder, or in ~/.ringlet where only that one exists."""
        path = self.profile_dir(name) / "routing.toml"
        if self.legacy is None or path.exists():
            return path
        old = self.legacy / "profiles" / name / "routing.toml"
        return old if old.exists() else path

    @property
    def config_file(self) -> Path:
        """What holds for all profiles: default provider, keys, routes by model name."""
        return self.config / "config.toml"

    @property
    def providers_dir(self) -> Path:
        """The person's own providers, one TOML file each."""
        return self.config / "providers"

    @property
    def models_file(self) -> Path:
        """What `models add` writes."""
        return self.config / "models.toml"

    @property
    def logins_dir(self) -> Path:
        """What `providers login` keeps; readable by its owner only."""
        return self.config / "logins"

    @property
    def ca_dir(self) -> Path:
        """The certificate authority and its key."""
        return self.config / "ca"

    @property
    def database(self) -> Path:
        """The usage ledger."""
        return self.data / "usage.duckdb"

    @property
    def spool_dir(self) -> Path:
        """Rows on their way into the ledger."""
        return self.state / "spool"

    @property
    def snapshots_dir(self) -> Path:
        """What running proxies say of themselves, a file each."""
        return self.state / SNAPSHOTS

    @property
    def leases_dir(self) -> Path:
        """Who uses proxies that end with their last agent, a folder a profile."""
        return self.state / "leases"

    @property
    def log_dir(self) -> Path:
        """Log files of proxies in the background."""
        return self.state / "log"

    @property
    def price_update(self) -> Path:
        """Price data newer than the installed library's, as `models update` fetched it."""
        return self.data / "prices" / "update.json"

    @property
    def price_cache(self) -> Path:
        """What was taken from the installed price library; made again when it is missing."""
        return self.cache / "prices"


def home_of(environ: Mapping[str, str]) -> Home:
    """The home that `environ` describes; raises ConfigError where it names no home folder at all."""
    one, user = environ.get("RINGLET_HOME", ""), person(environ)
    if sys.platform == "win32" and not one:
        known = Windows(APP, appauthor=False)
        return Home(known.user_config_path, known.user_data_path, known.user_state_path, known.user_cache_path)
    if not user and (not one or one.startswith("~")):
        raise ConfigError("neither HOME nor RINGLET_HOME is set, so there is nowhere to look for profiles")
    config, data, state, cache = (Path(folder(name, environ)) for name in ("config", "data", "state", "cache"))
    return Home(config, data, state, cache, legacy=None if one else Path(user) / ".ringlet")
