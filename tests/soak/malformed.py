"""What no client should say in HTTP/1.1, by hand: tables of names and bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

# port: at the proxy's port, where it expects CONNECT or a request; tunnel: after CONNECT, where it expects TLS;
# http1 and http2: inside TLS. What is said in HTTP/2 begins with its preface.
Where = Literal["port", "tunnel", "http1", "http2"]
HOST = "api.anthropic.com"
BODY = json.dumps(
    {"model": "fuzzed", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "hi"}]}
).encode()
MODEL_CALL = (
    f"POST /v1/messages HTTP/1.1\r\nhost: {HOST}\r\nx-api-key: k\r\ncontent-type: application/json\r\n".encode()
)
PATHS = ("/v1/messages", "/v1/chat/completions", "/v1/responses", "/v1beta/models/m:streamGenerateContent?alt=sse")


@dataclass(frozen=True, slots=True)
class Case:
    """One of them; `family` is what the table counts it under."""

    family: str
    name: str
    where: Where
    data: bytes


def call(more: bytes = b"", body: bytes = BODY) -> bytes:
    """A model call with a content-length, and more headers."""
    return MODEL_CALL + more + b"content-length: %d\r\n\r\n" % len(body) + body


def framed(framing: bytes, body: bytes) -> bytes:
    """A model call whose framing is somebody's own."""
    return MODEL_CALL + framing + b"\r\n\r\n" + body


def chunked(body: bytes) -> bytes:
    """A chunked one, as it should be."""
    return framed(b"transfer-encoding: chunked", b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))


CONNECTS = {
    "half": b"CONNECT api.anthropic.com:4",
    "half, a line": b"CONNECT api.anthropic.com:443 HTTP/1.1\r\n",
    "no port": b"CONNECT api.anthropic.com HTTP/1.1\r\n\r\n",
    "port 0": b"CONNECT api.anthropic.com:0 HTTP/1.1\r\n\r\n",
    "port 99999": b"CONNECT api.anthropic.com:99999 HTTP/1.1\r\n\r\n",
    "a negative port": b"CONNECT api.anthropic.com:-1 HTTP/1.1\r\n\r\n",
    "nothing": b"CONNECT  HTTP/1.1\r\n\r\n",
    "an address in brackets": b"CONNECT [::::]:443 HTTP/1.1\r\n\r\n",
    "a name of 70 KB": b"CONNECT " + b"a" * 70_000 + b":443 HTTP/1.1\r\n\r\n",
    "a name in bytes": b"CONNECT \xff\xfe\x00.com:443 HTTP/1.1\r\n\r\n",
    "a body": b"CONNECT api.anthropic.com:443 HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello",
    "HTTP/9.9": b"CONNECT api.anthropic.com:443 HTTP/9.9\r\n\r\n",
    "to the proxy itself": b"CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n",
    "inside CONNECT": b"CONNECT api.anthropic.com:443 HTTP/1.1\r\n\r\nCONNECT api.openai.com:443 HTTP/1.1\r\n\r\n",
}
GARBAGE = {
    "every byte": bytes(range(256)) * 40,
    "zeros": bytes(5000),
    "one byte": b"\x16",
    "nothing": b"",
    "line ends": b"\r\n" * 4000,
    "a mail": b"EHLO example.org\r\nMAIL FROM:<a@example.org>\r\n",
    "socks 5": b"\x05\x01\x00\x05\x01\x00\x03\x0eexample.org\x01\xbb",
    "a line of 300 KB": b"GET /" + b"a" * 300_000,
    "no version": b"GET /health\r\n\r\n",
    "a method of 10 KB": b"A" * 10_000 + b" /health HTTP/1.1\r\nhost: x\r\n\r\n",
    "HTTP/0.9": b"GET /health HTTP/0.9\r\n\r\n",
    "HTTP/1.1 in lower case": b"get /health http/1.1\r\nhost: x\r\n\r\n",
    "preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(40),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "a path of a file": b"GET file:///etc/passwd HTTP/1.1\r\nhost: x\r\n\r\n",
    "a URL of nobody": b"GET http:///health HTTP/1.1\r\n\r\n",
    "a URL with a wrong port": b"GET http://127.0.0.1:x/ HTTP/1.1\r\n\r\n",
}
HEADERS = {
    "a name of 100 KB": b"x" * 100_000 + b": 1\r\n",
    "a value of 100 KB": b"x: " + b"1" * 100_000 + b"\r\n",
    "5,000 of them": b"".join(b"x-%d: %d\r\n" % (number, number) for number in range(5000)),
    "the same 5,000 times": b"x-api-key: k\r\n" * 5000,
    "a NUL in the name": b"x\x00y: 1\r\n",
    "a NUL in the value": b"x: 1\x002\r\n",
    "a bare CR": b"x: 1\ry: 2\r\n",
    "a bare LF": b"x: 1\ny: 2\r\n",
    "no colon": b"nothing here\r\n",
    "no name": b": 1\r\n",
    "a space in the name": b"x y: 1\r\n",
    "a space before the colon": b"content-type : text/plain\r\n",
    "folded": b"x: 1\r\n  2\r\n\t3\r\n",
    "bytes": b"x: \xff\xfe\xfd\r\n",
    "surrogates in UTF-8": b"x: \xed\xa0\x80\r\n",
    "two hosts": b"host: api.openai.com\r\n",
    "a host with a path": b"host: api.anthropic.com/../x\r\n",
    "expect": b"expect: 100-continue\r\n",
    "expect something": b"expect: the-unexpected\r\n",
    "an encoding of nobody": b"content-encoding: rot13\r\n",
    "a lie about gzip": b"content-encoding: gzip\r\n",
    "a hundred encodings": b"content-encoding: " + b"gzip, " * 100 + b"br\r\n",
    "te": b"te: trailers, deflate;q=0.5\r\nconnection: te, x-api-key, host\r\n",
    "an agent's name of 60 KB": b"user-agent: " + b"\xf0\x9f\x90\x88" * 15_000 + b"\r\n",
}
FRAMINGS = {
    "length: negative": framed(b"content-length: -1", BODY),
    "length: plus": framed(b"content-length: +5", BODY),
    "length: words": framed(b"content-length: many", BODY),
    "length: of 30 digits": framed(b"content-length: " + b"9" * 30, BODY),
    "length: of 5,000 digits": framed(b"content-length: " + b"9" * 5000, BODY),
    "length: two that differ": framed(b"content-length: 4\r\ncontent-length: 9", BODY),
    "length: two that agree": framed(b"content-length: 2\r\ncontent-length: 2", b"{}"),
    "length: a list": framed(b"content-length: 2, 2", b"{}"),
    "length: hexadecimal": framed(b"content-length: 0x10", BODY),
    "length: too long": framed(b"content-length: 5000", BODY),
    "length: too short": framed(b"content-length: 3", BODY),
    "length: empty": framed(b"content-length:", BODY),
    "chunk: of -1": framed(b"transfer-encoding: chunked", b"-1\r\nabc\r\n0\r\n\r\n"),
    "chunk: of 2**64": framed(b"transfer-encoding: chunked", b"10000000000000000\r\nabc\r\n0\r\n\r\n"),
    "chunk: of 2**2000": framed(b"transfer-encoding: chunked", b"f" * 500 + b"\r\nabc\r\n0\r\n\r\n"),
    "chunk: no number": framed(b"transfer-encoding: chunked", b"zz\r\nabc\r\n0\r\n\r\n"),
    "chunk: shorter than it is": framed(b"transfer-encoding: chunked", b"2\r\nabcdef\r\n0\r\n\r\n"),
    "chunk: longer than it is": framed(b"transfer-encoding: chunked", b"50\r\nabc\r\n0\r\n\r\n"),
    "chunk: an extension of 100 KB": framed(
        b"transfer-encoding: chunked", b"3;" + b"x" * 100_000 + b"\r\nabc\r\n0\r\n\r\n"
    ),
    "chunk: no end": framed(b"transfer-encoding: chunked", b"3\r\nabc\r\n"),
    "chunk: 20,000 of one byte": framed(b"transfer-encoding: chunked", b"1\r\n{\r\n" * 20_000 + b"0\r\n\r\n"),
    "chunk: trailers": framed(b"transfer-encoding: chunked", b"2\r\n{}\r\n0\r\nhost: x\r\ncontent-length: 9\r\n\r\n"),
    "smuggling: CL and TE": framed(
        b"content-length: 4\r\ntransfer-encoding: chunked", b"0\r\n\r\nGET /x HTTP/1.1\r\n\r\n"
    ),
    "smuggling: TE and CL": framed(b"transfer-encoding: chunked\r\ncontent-length: 400", b"0\r\n\r\n"),
    "smuggling: TE twice": framed(b"transfer-encoding: chunked\r\ntransfer-encoding: identity", b"0\r\n\r\n"),
    "smuggling: TE of two": framed(b"transfer-encoding: gzip, chunked", b"0\r\n\r\n"),
    "smuggling: TE with a tab": framed(b"transfer-encoding:\tchunked", b"0\r\n\r\n"),
    "smuggling: TE in another case": framed(b"Transfer-Encoding: cHuNkEd", b"0\r\n\r\n"),
    "smuggling: TE with junk": framed(b"transfer-encoding: xchunked", b"0\r\n\r\n"),
    "smuggling: TE with a vertical tab": framed(b"transfer-encoding: \x0bchunked", b"0\r\n\r\n"),
    "pipelined: 20": call() * 20,
    "pipelined: half of the second": call() + call()[:100],
    "pipelined: garbage behind": call() + bytes(range(256)),
}
BODIES = {
    "empty": b"",
    "torn": BODY[:40],
    "no JSON": b"hello",
    "a string": b'"hello"',
    "null": b"null",
    "nested 200,000 deep": b'{"model":"fuzzed","messages":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "nested objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "open brackets": b"[" * 500_000,
    "messages are numbers": b'{"model":"fuzzed","messages":[1,2,3]}',
    "messages are null": b'{"model":"fuzzed","messages":[null,{"role":null,"content":null}]}',
    "content is a number": b'{"model":"fuzzed","messages":[{"role":"user","content":7}]}',
    "a role of nobody": b'{"model":"fuzzed","messages":[{"role":"\\u0000","content":"x"}]}',
    "the model is a list": b'{"model":["a"],"messages":[]}',
    "the model is 1 MB": b'{"model":"' + b"m" * 1_000_000 + b'","messages":[]}',
    "keys twice": b'{"model":"a","model":"fuzzed","messages":[],"messages":[{"role":"user","content":"x"}]}',
    "lone surrogates": b'{"model":"fuzzed\\ud800","messages":[{"role":"user","content":"\\udfff"}]}',
    "no UTF-8": b'{"model":"fuzzed","messages":"\xff\xfe"}',
    "UTF-16": BODY.decode().encode("utf-16"),
    "numbers of 5,000 digits": b'{"model":"fuzzed","max_tokens":' + b"9" * 5000 + b',"messages":[]}',
    "NaN": b'{"model":"fuzzed","temperature":NaN,"max_tokens":Infinity,"messages":[]}',
    "1e999": b'{"model":"fuzzed","max_tokens":1e999,"messages":[]}',
    "tools are odd": b'{"model":"fuzzed","messages":[],"tools":[null,1,{"name":{}},{"input_schema":[]}]}',
    "a schema that refers to itself": b'{"model":"fuzzed","messages":[{"role":"user","content":"x"}],'
    b'"tools":[{"name":"t","input_schema":{"$ref":"#","properties":{"a":{"$ref":"#/properties/a"}}}}]}',
    "100,000 messages": b'{"model":"fuzzed","messages":['
    + b",".join([b'{"role":"user","content":"x"}'] * 100_000)
    + b"]}",
}
FIFTY_MB = Case("bodies", "50 MB", "http1", call(body=b'{"model":"fuzzed","messages":"' + b"x" * 50_000_000 + b'"}'))
UPGRADES = {
    "websocket": b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AA\r\n",
    "websocket without a key": b"connection: upgrade\r\nupgrade: websocket\r\n",
    "websocket of version -1": b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: -1\r\n",
    "websocket, two keys": b"upgrade: websocket\r\nconnection: upgrade\r\n" + b"sec-websocket-key: \xff\r\n" * 2,
    "h2c": b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQ\r\n",
    "something else": b"connection: upgrade\r\nupgrade: TLS/1.0, rocket\r\n",
}
