"""An edit of routing.toml is in force within a second; a broken one changes nothing and says why."""

from __future__ import annotations

import time
from collections.abc import Callable

from clients import StartProxy, client, messages_body, post_messages

RULE = '[[rule]]\nmatch = {{ has-system-prompt = true }}\nto = "anthropic"\nmodel = "{model}"\n'


def within_a_second(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + 1
    while time.monotonic() < end:
        if holds():
            return True
    return holds()


def test_an_edit_a_broken_edit_and_a_repaired_one(start_proxy: StartProxy) -> None:
    proxy = start_proxy(RULE.format(model="claude-haiku-4-5"))
    file = proxy.home / "profiles" / "work" / "routing.toml"
    with client(proxy) as http:

        def model() -> str:
            return str(post_messages(http, messages_body(system="s")).json()["model"])

        assert model() == "claude-haiku-4-5"
        file.write_text(RULE.format(model="claude-sonnet-4-5"))
        assert within_a_second(lambda: model() == "claude-sonnet-4-5")
        file.write_text('[[rule]]\nmatch = { has-sistem-prompt = true }\nto = "anthropic"\n')
        assert within_a_second(lambda: any("has-sistem-prompt" in line for line in proxy.said))
        said = next(line for line in proxy.said if "has-sistem-prompt" in line)
        assert f"{file}:2" in said
        assert "did you mean 'has-system-prompt'?" in said
        assert model() == "claude-sonnet-4-5"
        file.unlink()
        assert within_a_second(lambda: model() == "claude-opus-4-8")
