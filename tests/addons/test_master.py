from __future__ import annotations

import logging
from pathlib import Path

import pytest

from ringlet_mitm.addons.master import Proxy, Setup
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.profiles import Profile

RULES = '[[rule]]\nmatch = { tool-use = true }\nto = "openai"\n[default]\nto = "groq"\n'


def test_a_proxy_says_once_at_its_start_which_keys_look_odd(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    environ = {"RINGLET_HOME": str(tmp_path), "RINGLET_KEYRING": "0"}
    keys = {"OPENAI_API_KEY": "sk-ant-api03-secret", "GROQ_API_KEY": "gsk_fine", "GEMINI_API_KEY": "in no rule"}
    home = home_of(environ)
    home.profile_dir("work").mkdir(parents=True)
    home.routing_file("work").write_text(RULES)
    proxy = Proxy(Setup(home, Profile(name="work"), environ | keys))
    with caplog.at_level(logging.WARNING):
        proxy.look_at_keys()
    [record] = [record for record in caplog.records if record.name == "ringlet_mitm.addons.master"]
    assert "env:OPENAI_API_KEY is a key of Anthropic" in record.getMessage()
    assert "secret" not in caplog.text
