"""Which profile is meant, and one that is made because there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.home import Home
from ringlet_mitm.rules.installation import load_installation
from ringlet_mitm.rules.profiles import Profile, list_profiles, load_profile, save_profile

DEFAULT = "default"


def chosen(home: Home, name: str | None) -> str:
    """That name; without one the only profile there is, else `default`. Raises UsageError where nobody can tell."""
    if name is not None:
        return name
    names = list_profiles(home)
    if len(names) == 1:
        return names[0]
    if names and DEFAULT not in names:
        raise UsageError(f"say which profile with --profile; there are {', '.join(names)}")
    return DEFAULT


def loaded_or_made(home: Home, name: str, environ: Mapping[str, str], say: Callable[[str], None]) -> Profile:
    """The profile; one that is not there is made, which is said."""
    if home.profile_file(name).exists():
        return load_profile(home, name)
    profile = Profile(name=name)
    save_profile(home, profile)
    shared = load_installation(home, environ).settings
    if shared.default_provider or shared.model_routes:
        say(f"profile '{name}' is new: calls go where {home.config_file} says, and are recorded")
    else:
        say(f"profile '{name}' is new: everything passes through and is recorded")
    say(f"write rules into {home.routing_file(name)} and they are in force within a second")
    return profile
