"""mitmweb's master with our addons: the traffic in a browser. Not in `master.py`, since importing it takes 0.2 s."""

from __future__ import annotations

from collections.abc import Callable

from mitmproxy.master import Master
from mitmproxy.options import Options
from mitmproxy.tools.web.master import WebMaster


class SaysWhere:
    """Tells the address of the web page; with mitmproxy 12 a token that lets nobody else in is part of it."""

    def __init__(self, master: WebMaster, say: Callable[[str], None]) -> None:
        self._master = master
        self._say = say

    def running(self) -> None:
        """Called once it listens."""
        options = self._master.options
        self._say(getattr(self._master, "web_url", f"http://{options.web_host}:{options.web_port}/"))


def web_master(port: int, say: Callable[[str], None], options: Options) -> Master:
    """mitmweb on loopback; it opens no browser by itself, and `say` gets its address."""
    master = WebMaster(options, with_termlog=False)
    master.options.update(web_host="127.0.0.1", web_port=port, web_open_browser=False)
    master.addons.add(SaysWhere(master, say))
    return master
