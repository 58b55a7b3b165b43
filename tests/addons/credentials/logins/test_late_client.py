from __future__ import annotations

import subprocess
import sys

import pytest

from ringlet_mitm.addons.credentials.logins.asking import Ask, VendorTrouble
from ringlet_mitm.addons.credentials.logins.late_client import LateClient


def test_it_asks_as_the_client_that_it_loads() -> None:
    with pytest.raises(VendorTrouble, match="unencrypted"):
        LateClient().ask(Ask("http://login.example/token"))


def test_a_proxy_starts_without_it() -> None:
    script = "import sys, ringlet_mitm.addons.master; print('httpx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
