"""A model call as mitmweb shows it: what became of it, then what was said, for the request and for the answer."""

from __future__ import annotations

from mitmproxy import http
from mitmproxy.flow import Flow

from ringlet_mitm.addons.answering import packing_of
from ringlet_mitm.addons.exchange import account_in, exchange_of
from ringlet_mitm.addons.views.account import Account, account_of, unpacked
from ringlet_mitm.addons.views.conversation import put_answer, put_request
from ringlet_mitm.addons.views.page import USUAL, Limits, Line, Page
from ringlet_mitm.addons.views.reading import read_answer, read_request
from ringlet_mitm.addons.wire.encodings import Decoder
from ringlet_mitm.rules.shapes import WireFormat, format_of


def is_model_call(flow: Flow | None) -> bool:
    """Whether there is something to show of a flow."""
    if not isinstance(flow, http.HTTPFlow):
        return False
    known = bool(account_in(flow)) or exchange_of(flow) is not None
    return known or format_of(flow.request.method, flow.request.path) is not None


def shown(flow: http.HTTPFlow, message: http.Message, limits: Limits = USUAL) -> list[Line]:
    """The lines for the flow's request, or for its answer."""
    account = _account(flow)
    page = Page(limits)
    body = _plain(message)
    if message is flow.request:
        page.extend(account.request)
        read = read_request(body, flow.request.path, account.request_format)
        put_request(page, read, account.request_format)
    else:
        page.extend(account.answer)
        put_answer(page, read_answer(body, account.answer_format))
    return page.lines


def _account(flow: http.HTTPFlow) -> Account:
    """The flow's account: closed, or of now; of a flow that never passed here, its format alone."""
    packed, exchange = account_in(flow), exchange_of(flow)
    closed = unpacked(packed) if packed else None
    if closed is not None:
        return closed
    if exchange is not None:
        return account_of(exchange)
    asked = format_of(flow.request.method, flow.request.path) or WireFormat.MESSAGES
    return Account(asked, asked, (), ())


def _plain(message: http.Message) -> bytes:
    """The body without its content-encoding, as far as that can be undone: a kept beginning ends in the middle."""
    raw = message.raw_content or b""
    packing = packing_of(message)
    return Decoder(packing).feed(raw) if packing and raw else raw
