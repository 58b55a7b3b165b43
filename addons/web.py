"""mitmweb's master with our addons: the traffic in a browser. Apart from `master.py`, since importing it takes 0.2 s."""

from __future__ import annotations

from mitmproxy.master import Master
from mitmproxy.options import Options
from mitmproxy.tools.web.master import WebMaster


def web_master(port: int, options: Options) -> Master:
    """mitmweb on loopback; it opens no browser by itself."""
    master = WebMaster(options)
    master.options.update(web_host="127.0.0.1", web_port=port, web_open_browser=False)
    return master
