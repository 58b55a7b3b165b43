"""What a stream begins with is held back only as long as it may still turn out to be an error, and not for long."""

from __future__ import annotations

import json
import time
from typing import cast

from clients import StartProxy, client

from ringlet_mitm.cli.demo.faults import silent
from ringlet_mitm.cli.demo.faulty import FaultyVendor
from ringlet_mitm.cli.demo.upstream import Vendor

HOST = "api.anthropic.com"
BODY = {"model": "m", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "hello"}]}


def test_a_provider_that_thinks_long_before_its_first_word_is_heard(start_proxy: StartProxy) -> None:
    with FaultyVendor({HOST: "http/1.1"}) as vendor:
        vendor.script(HOST, silent(1))
        proxy = start_proxy(vendor=cast(Vendor, vendor))
        begun = time.monotonic()
        headers = {"x-api-key": "sk-ant-a", "content-type": "application/json"}
        with (
            client(proxy) as http,
            http.stream("POST", f"https://{HOST}/v1/messages", content=json.dumps(BODY), headers=headers) as answer,
        ):
            first = next(answer.iter_bytes())
            waited_s = time.monotonic() - begun
        assert (answer.status_code, first.startswith(b"event: message_start")) == (200, True)
        assert 1.5 < waited_s < 10
        assert len(vendor.at(HOST)) == 1
