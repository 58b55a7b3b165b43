"""Where a provider's key comes from, in words, and never the key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ringlet_mitm.addons.credentials.store import LoginStore
from ringlet_mitm.rules.keys import KeyRef
from ringlet_mitm.rules.providers import ProviderSpec


@dataclass(frozen=True, slots=True)
class KeySource:
    """`words` say it all; `label` is the place alone, "" where there is no key. `variable` is the one that holds it."""

    words: str
    label: str = ""
    variable: str = ""

    @property
    def is_set(self) -> bool:
        """Whether there is a key."""
        return bool(self.label)


def key_source(
    spec: ProviderSpec, environ: Mapping[str, str], store: LoginStore, ref: KeyRef | None = None
) -> KeySource:
    """The place that wins, as for a request; `ref` stands for the provider's own where a file names another key."""
    ref = ref or spec.key_ref
    if ref is not None and ref.file:
        return KeySource(ref.file_label, ref.file_label)
    variable = next((name for name in (ref.variables if ref else ()) if environ.get(name, "").strip()), "")
    if variable:
        return KeySource(f"env:{variable}", f"env:{variable}", variable)
    place = store.place(ref.login) if ref and ref.login else ""
    if place:
        return KeySource(f"login: {place}", f"login:{ref.login if ref else ''}")
    found = FOUND_ELSEWHERE[spec.auth](environ) if spec.auth in FOUND_ELSEWHERE else ""
    if found:
        return KeySource(found, found)
    return KeySource(_missing(spec, ref))


def _missing(spec: ProviderSpec, ref: KeyRef | None) -> str:
    if spec.auth in SIGN_INS:
        names = f"{ref.variables[0]} or " if ref and ref.variables else ""
        return f"not set: {names}{SIGN_INS[spec.auth]}"
    if not spec.requires_api_key:
        return "none needed for its free models" if spec.free_models else "none needed"
    ways = [*(ref.variables[:1] if ref else ()), f"providers login {spec.provider_id}"]
    return f"not set: {' or '.join(ways)}"


def is_configured(spec: ProviderSpec, source: KeySource) -> bool:
    """Whether a request could be sent there, as far as can be told without sending one."""
    if spec.lacking or spec.problem:
        return False
    return source.is_set or not (spec.requires_api_key or spec.free_models or spec.auth in FOUND_ELSEWHERE)


def _aws(environ: Mapping[str, str]) -> str:
    """The first places that botocore's chain looks at; what it finds beyond them shows when a request is made."""
    if environ.get("AWS_ACCESS_KEY_ID"):
        return "env:AWS_ACCESS_KEY_ID"
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or "~")
    for variable, name in (("AWS_SHARED_CREDENTIALS_FILE", "credentials"), ("AWS_CONFIG_FILE", "config")):
        if Path(environ.get(variable) or home / ".aws" / name).is_file():
            return f"aws: profile {environ.get('AWS_PROFILE', 'default')}"
    return ""


def _google(environ: Mapping[str, str]) -> str:
    """Application default credentials: a file that a variable names, else what gcloud wrote."""
    if environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        return "env:GOOGLE_APPLICATION_CREDENTIALS"
    folder = environ.get("CLOUDSDK_CONFIG") or Path(environ.get("HOME") or "~") / ".config" / "gcloud"
    there = Path(folder, "application_default_credentials.json").is_file()
    return "gcloud: application default" if there else ""


FOUND_ELSEWHERE: dict[str, Callable[[Mapping[str, str]], str]] = {"aws": _aws, "google-adc": _google}
SIGN_INS: dict[str, str] = {"aws": "aws configure", "google-adc": "gcloud auth application-default login"}
