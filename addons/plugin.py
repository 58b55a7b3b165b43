"""Our addons in any mitmproxy: `RINGLET_PROFILE=work mitmdump -s "$(python -m ringlet_mitm.addons.plugin)"`.

Port, certificates and the rest are then mitmproxy's own; `RINGLET_CONNECT_TO` holds what `--connect-to` takes, with
spaces between.

Slower than `ringlet-mitm` itself, since mitmproxy's own addons run as well; made for trying other addons beside ours.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mitmproxy import ctx

from ringlet_mitm.addons.connect_to import parse_detour
from ringlet_mitm.addons.credentials.proxy_login import login_of
from ringlet_mitm.addons.flow_files import mask_files
from ringlet_mitm.addons.master import Proxy, Setup
from ringlet_mitm.addons.watching import watchers
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.profiles import load_profile


class Ringlet:
    """Holds the addons of one profile; mitmproxy calls their hooks through `addons`."""

    def __init__(self) -> None:
        home = home_of(os.environ)
        profile = load_profile(home, os.environ.get("RINGLET_PROFILE", "default"))
        detours = tuple(map(parse_detour, os.environ.get("RINGLET_CONNECT_TO", "").split()))
        looking = watchers(keeps_bodies=profile.capture != "none")
        login = login_of(profile, os.environ)
        setup = Setup(home, profile, dict(os.environ), detours, watchers=looking, login=login)
        self.addons: list[Any] = Proxy(setup).addons()
        mask_files()

    def running(self) -> None:
        """The options that the way of a request depends on; confdir and port stay as they were given."""
        ctx.options.update(connection_strategy="lazy", upstream_cert=False)


def script() -> Path:
    """This file, for mitmproxy's -s."""
    return Path(__file__).resolve()


if __name__ == "__main__":
    print(script())
elif __name__ != "ringlet_mitm.addons.plugin":  # mitmproxy loads a script under a name of its own
    addons = [Ringlet()]
