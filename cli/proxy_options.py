"""Options of `serve` that whoever starts a proxy in the background takes as well, and hands on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click


@dataclass(frozen=True, slots=True)
class ProxyOptions:
    """What was said, as words for `ringlet-mitm serve`."""

    words: tuple[str, ...] = ()


def proxy_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options; it gets `proxy`."""

    @click.option("--connect-to", multiple=True, metavar="HOST:PORT:TO:PORT", help="Connect elsewhere, as curl does.")
    @click.option(
        "--upstream-ca", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Trust this CA upstream."
    )
    @wraps(command)
    def with_options(connect_to: tuple[str, ...], upstream_ca: Path | None, **rest: Any) -> Any:
        detours = [word for detour in connect_to for word in ("--connect-to", detour)]
        trusted = ["--upstream-ca", str(upstream_ca.absolute())] if upstream_ca else []
        return command(proxy=ProxyOptions((*detours, *trusted)), **rest)

    return with_options
