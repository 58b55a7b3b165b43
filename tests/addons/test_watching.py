from __future__ import annotations

import subprocess
import sys

ASK = "import sys, ringlet_mitm.addons.master; print(*sys.modules)"
WATCHING = {"annotations", "contentview", "flow_limit", "kept_answers", "looked_at", "views", "watching", "web"}


def test_a_proxy_that_nobody_looks_into_imports_nothing_for_it() -> None:
    told = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True).stdout.split()
    assert "ringlet_mitm.addons.master" in told
    ours = {name.split(".")[2] for name in told if name.startswith("ringlet_mitm.addons.")}
    assert ours & WATCHING == set()
    assert [name for name in told if name.startswith(("mitmproxy.contentviews", "mitmproxy.tools"))] == []
