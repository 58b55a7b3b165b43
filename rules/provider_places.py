"""Where the calls of a provider go: its file's URLs with the person's variables filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from ringlet_mitm.rules.endpoint_urls import check_url, endpoint_of, fill, is_template, join, with_scheme
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.provider_files import SHAPE_DEFAULTS, ProviderFile
from ringlet_mitm.rules.shapes import WireFormat


@dataclass(frozen=True, slots=True)
class Places:
    """Where its calls go, as far as the variables tell."""

    base: str
    urls: Mapping[WireFormat, str]
    usual_host: str  # agents know this one, whatever a base URL's variable says
    lacking: tuple[str, ...] = ()
    problem: str = ""


def places_of(file: ProviderFile, environ: Mapping[str, str], base_url: str) -> Places:
    """Where `base_url` puts it, else `environ`, else the file.

    A variable that does not fit is told when the provider is asked for: who does not use it need not mend it.
    """
    shape = SHAPE_DEFAULTS[file.shape or "openai"]
    paths = file.paths or {shape.format: shape.path}
    override = base_url.rstrip("/") or _override(file, environ)
    try:
        usual, lacking = _filled_endpoint(file, environ)
        filled = {wire_format: fill(path, environ) for wire_format, path in paths.items()}
    except ConfigError as error:
        return Places(
            file.endpoint, {form: join(file.endpoint, path) for form, path in paths.items()}, "", (), str(error)
        )
    base = override or usual
    needed = (() if override else lacking, *(names for _, names in filled.values()))
    return Places(
        base=base,
        urls={wire_format: join(base, path) for wire_format, (path, _) in filled.items()},
        usual_host="" if lacking else endpoint_of(usual).host,
        lacking=tuple(dict.fromkeys(name for names in needed for name in names)),
    )


def _filled_endpoint(file: ProviderFile, environ: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    if not is_template(file.endpoint):
        return file.endpoint.rstrip("/"), ()
    filled, lacking = fill(file.endpoint, environ)
    if lacking:
        return filled, lacking
    parts = urlsplit(filled)
    called = parts._replace(netloc=file.host_names.get(parts.netloc, parts.netloc)).geturl()
    check_url(called, insecure=file.insecure)
    return called.rstrip("/"), ()


def _override(file: ProviderFile, environ: Mapping[str, str]) -> str:
    override = with_scheme(environ.get(file.base_url_env or "", "").strip(), file.endpoint)
    if override:
        try:
            check_url(override, insecure=file.insecure)
        except ConfigError as error:
            raise ConfigError(error.message, key=file.base_url_env) from None
    return override.rstrip("/")
