"""Profiles: what `profiles create` and `set` write, and the person's files beside it. The only writer of TOML.

`profile.toml` is ours and rewritten; `routing.toml` is the person's and never is. Only this file opens a person's
files.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import tomli_w
from pydantic import TypeAdapter

from ringlet_mitm.rules.document import Document
from ringlet_mitm.rules.errors import ConfigError, UsageError, nearest
from ringlet_mitm.rules.home import Home
from ringlet_mitm.rules.own_models import OwnModel, as_toml, provider_files, read_models
from ringlet_mitm.rules.policies import MOST, PolicyKeys, Whole, out_of_range
from ringlet_mitm.rules.provider_files import VARIABLE
from ringlet_mitm.rules.targets import ProfilePin
from ringlet_mitm.rules.validated import validated
from ringlet_mitm.rules.whole_files import write_whole

# 8080 is mitmproxy's own default, and the first of many programs that want it.
DEFAULT_PORT = 8484
NAME = re.compile(r"\w[\w.-]{0,63}")
LOGIN_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile, and one proxy when it runs. In the file, keys have dashes and `name` is the folder's.

    agent: what it is meant for, for `run` and reports; traffic is recognised by itself.
    provider: where calls go without rules; None passes everything through to where it was sent.
    model: what that provider is asked for, whatever the agent asks for.
    proxy: "ultrallm" obeys routing.toml, "none" ignores it.
    intercept: hosts to decrypt besides the ones known as LLM hosts.
    capture: what of a request may be kept besides its row. "none": nothing, and the row does not say in which folder
        the agent worked. "metadata": mitmweb has bodies while it runs, no file has them. "bodies": dumps have them.
    proxyauth: the variable with the USER:PASSWORD that the proxy's clients have to say, also as ${VARIABLE}.
    key_env: variables that hold this profile's own keys, by provider: two profiles, two accounts of one provider.
    fallback: what is tried when a provider fails, for rules that do not say it themselves.
    retries, backoff_ms, timeout_…_ms: how patiently, for rules that do not say it.
    """

    name: str = "default"
    agent: str | None = None
    provider: str | None = None
    model: str | None = None
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    proxy: Literal["ultrallm", "none"] = "ultrallm"
    intercept: tuple[str, ...] = ()
    capture: Literal["none", "metadata", "bodies"] = "metadata"
    key_env: Mapping[str, str] = field(default_factory=dict)
    fallback: tuple[str, ...] = ()
    retries: Whole | None = None
    backoff_ms: Whole | None = None
    timeout_connect_ms: Whole | None = None
    timeout_first_byte_ms: Whole | None = None
    timeout_idle_ms: Whole | None = None
    timeout_total_ms: Whole | None = None
    proxyauth: str | None = None

    @property
    def patience(self) -> PolicyKeys:
        """What it says of patience."""
        return PolicyKeys(**{name: getattr(self, name) for name in MOST})

    @property
    def pin(self) -> ProfilePin:
        """What it fixes for routing."""
        return ProfilePin(self.provider, self.model, self.key_env)


KEYS = tuple(item.name.replace("_", "-") for item in fields(Profile) if item.name != "name")
_ADAPTER: TypeAdapter[Profile] = TypeAdapter(Profile)


def check_name(name: str) -> None:
    """Raises UsageError unless `name` can be a profile's, and so a folder's."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f"'{name}' cannot be a profile's name: up to 64 letters, digits, '.', '_' and '-', a letter or digit first"
        )


def load_profile(home: Home, name: str) -> Profile:
    """The profile of that name; raises UsageError where there is none and ConfigError where its file is wrong."""
    check_name(name)
    path = home.profile_file(name)
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(_no_such(home, name)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {_reason(error)}", file=str(path)) from None
    return read_profile(text, str(path), name)


def read_profile(text: str, file: str, name: str) -> Profile:
    """A profile's file as text; `file` is its name in messages."""
    document = Document.parse(text, file)
    if document.data.get("name", name) != name:
        raise document.error(("name",), f"this is the folder of profile '{name}'")
    profile, _ = validated(Profile, _ADAPTER, document)
    if not 0 <= profile.port <= 65535:
        raise document.error(("port",), "has to be a port, 0 to 65535")
    for key, message in out_of_range(profile.patience):
        raise document.error((_as_spelled(key, document),), message)
    for provider, variable in profile.key_env.items():
        if not VARIABLE.fullmatch(variable):
            raise document.error(("key-env", provider), "has to be the name of a variable; keys are never in this file")
    if profile.proxyauth is not None and not LOGIN_VARIABLE.fullmatch(profile.proxyauth):
        raise document.error(("proxyauth",), "has to be the name of a variable; passwords are never in this file")
    return profile if profile.name == name else _renamed(profile, name)


def save_profile(home: Home, profile: Profile) -> None:
    """Write the profile's file, whole or not at all, readable by its owner only."""
    check_name(profile.name)
    folder = home.profile_dir(profile.name)
    text = profile_text(profile)
    read_profile(text, str(home.profile_file(profile.name)), profile.name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(home.profile_file(profile.name), text.encode())
    except OSError as error:
        raise ConfigError(f"cannot be written: {_reason(error)}", file=str(home.profile_file(profile.name))) from None


def profile_text(profile: Profile) -> str:
    """What its file says."""
    return tomli_w.dumps(_as_toml(profile))


def list_profiles(home: Home) -> list[str]:
    """The names of all profiles, sorted."""
    return sorted(path.parent.name for path in home.profiles_dir.glob("*/profile.toml"))


def delete_profile(home: Home, name: str) -> None:
    """Delete a profile's folder, rules included; its rows stay in the ledger. Raises UsageError if there is none."""
    check_name(name)
    if not home.profile_file(name).exists():
        raise UsageError(_no_such(home, name))
    shutil.rmtree(home.profile_dir(name))


def free_port(home: Home) -> int:
    """The first port from 8484 on that no other profile has; a profile that cannot be read has none."""
    taken = set()
    for name in list_profiles(home):
        try:
            taken.add(load_profile(home, name).port)
        except ConfigError:
            continue
    return next(port for port in range(DEFAULT_PORT, 65536) if port not in taken)


def provider_texts(home: Home) -> dict[str, str]:
    """The person's provider files by path, and one for each model of theirs with a base URL; for `registry`."""
    texts: dict[str, str] = {}
    for path in sorted(home.providers_dir.glob("*.toml")):
        try:
            texts[str(path)] = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot be read: {_reason(error)}", file=str(path)) from None
    file = str(home.models_file)
    made = provider_files(own_models(home), file)
    return texts | {f"{file} ({name})": tomli_w.dumps(data) for name, data in made.items()}


def own_models(home: Home) -> tuple[OwnModel, ...]:
    """The models that the person added."""
    path = home.models_file
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {_reason(error)}", file=str(path)) from None
    return read_models(text, str(path))


def save_models(home: Home, models: Iterable[OwnModel]) -> None:
    """Write the person's models, whole or not at all; raises ConfigError for what could not be read again."""
    path = home.models_file
    text = tomli_w.dumps(as_toml(models))
    provider_files(read_models(text, str(path)), str(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text.encode())
    except OSError as error:
        raise ConfigError(f"cannot be written: {_reason(error)}", file=str(path)) from None


def _as_toml(profile: Profile) -> dict[str, Any]:
    """What differs from the defaults; the port always, since others count on it."""
    default = Profile()
    shown: dict[str, Any] = {}
    for item in fields(Profile):
        value = getattr(profile, item.name)
        if item.name == "port" or (item.name != "name" and value != getattr(default, item.name)):
            shown[item.name.replace("_", "-")] = list(value) if isinstance(value, tuple) else value
    return shown


def _as_spelled(key: str, document: Document) -> str:
    kebab = key.replace("_", "-")
    return kebab if kebab in document.data else key


def _renamed(profile: Profile, name: str) -> Profile:
    return Profile(**{item.name: getattr(profile, item.name) for item in fields(Profile)} | {"name": name})


def _no_such(home: Home, name: str) -> str:
    known = list_profiles(home)
    close = nearest(name, known)
    if close:
        return f"there is no profile '{name}'; did you mean '{close}'?"
    return f"there is no profile '{name}'; make it with: ringlet-mitm profiles create {name}"


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8 text"
