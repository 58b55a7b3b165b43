"""Model servers as they run on people's machines: what each answers to the questions of a discovery, on a real port.

Shapes from their own documentation and sources, accessed 2026-11-21: Ollama, API reference; LM Studio, REST API v0 and
OpenAI compatibility; vLLM, entrypoints/openai; SGLang, srt/entrypoints; TGI, openapi.json; llama.cpp, tools/server;
mlx-lm, server.py.
"""

from __future__ import annotations

import json
import ssl
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar

Pages = dict[str, Any]


def listing(*rows: dict[str, Any]) -> Pages:
    return {"object": "list", "data": [{"object": "model", **row} for row in rows]}


OLLAMA_TAGS = {
    "models": [
        {
            "name": "gpt-oss:120b",
            "model": "gpt-oss:120b",
            "modified_at": "2026-10-03T09:00:00Z",
            "size": 65290180320,
            "digest": "f7f8e2f8f4e0",
            "details": {
                "format": "gguf",
                "family": "gptoss",
                "parameter_size": "116.8B",
                "quantization_level": "MXFP4",
            },
        },
        {"name": "qwen2.5-coder:7b", "model": "qwen2.5-coder:7b", "size": 4683087332, "details": {"format": "gguf"}},
    ]
}
SERVERS: dict[str, Pages] = {
    "ollama": {
        "/api/tags": OLLAMA_TAGS,
        "/api/version": {"version": "0.12.10"},
        "/v1/models": listing(
            {"id": "gpt-oss:120b", "created": 1759482000, "owned_by": "library"},
            {"id": "qwen2.5-coder:7b", "created": 1759482000, "owned_by": "library"},
        ),
    },
    "lmstudio": {
        "/v1/models": listing(
            {"id": "text-embedding-nomic-embed-text-v1.5", "owned_by": "organization_owner"},
            {"id": "qwen/qwen3-coder-30b", "owned_by": "organization_owner"},
        ),
        "/api/v0/models": listing(
            {
                "id": "qwen/qwen3-coder-30b",
                "type": "llm",
                "publisher": "qwen",
                "arch": "qwen3moe",
                "compatibility_type": "gguf",
                "quantization": "Q4_K_M",
                "state": "not-loaded",
                "max_context_length": 262144,
            }
        ),
    },
    "vllm": {
        "/version": {"version": "0.11.2"},
        "/v1/models": listing(
            {
                "id": "Qwen/Qwen2.5-Coder-32B-Instruct",
                "created": 1763700000,
                "owned_by": "vllm",
                "root": "Qwen/Qwen2.5-Coder-32B-Instruct",
                "parent": None,
                "max_model_len": 32768,
                "permission": [],
            }
        ),
    },
    "sglang": {
        "/get_model_info": {"model_path": "deepseek-ai/DeepSeek-R1", "is_generation": True},
        "/v1/models": listing({"id": "deepseek-ai/DeepSeek-R1", "created": 1763700000, "owned_by": "sglang"}),
    },
    "tgi": {
        "/info": {
            "model_id": "meta-llama/Llama-3.3-70B-Instruct",
            "model_sha": "6f6073b423013f6a7d4d9f39144961bfbfbc386b",
            "max_input_tokens": 8191,
            "max_total_tokens": 8192,
            "router": "text-generation-router",
            "version": "3.3.6",
        },
        "/v1/models": listing(
            {"id": "meta-llama/Llama-3.3-70B-Instruct", "created": 0, "owned_by": "meta-llama/Llama-3.3-70B-Instruct"}
        ),
    },
    "llama-cpp": {
        "/props": {"default_generation_settings": {"n_ctx": 16384}, "total_slots": 1, "model_path": "/m/gemma.gguf"},
        "/v1/models": {
            "models": [{"name": "gemma-4-E4B", "model": "gemma-4-E4B", "capabilities": ["completion"]}],
            **listing({"id": "gemma-4-E4B", "created": 1763700000, "owned_by": "llamacpp", "meta": {"n_params": 1}}),
        },
    },
    "mlx": {
        "/health": {"status": "ok"},
        "/v1/models": listing({"id": "mlx-community/Mistral-7B-Instruct-v0.3-4bit", "created": 1763700000}),
    },
}


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived; names of headers in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


class _Handler(BaseHTTPRequestHandler):
    pages: ClassVar[Pages]
    status: ClassVar[int]
    seen: ClassVar[list[Seen]]

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.seen.append(Seen(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        found = self.pages.get(self.path)
        said = found if isinstance(found, bytes) else json.dumps({"error": "not found"} if found is None else found)
        body = said if isinstance(said, bytes) else said.encode()
        self.send_response(404 if found is None else self.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the library's name

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


class LocalServer:
    """Serves pages on a port of this machine, with a TLS `context` as HTTPS; use it as a context manager."""

    def __init__(self, pages: Pages, *, status: int = 200, context: ssl.SSLContext | None = None) -> None:
        self.seen: list[Seen] = []
        handler = type("Handler", (_Handler,), {"pages": pages, "status": status, "seen": self.seen})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def asked(self) -> list[str]:
        """The paths that came."""
        return [one.path for one in self.seen]

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Its root."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> LocalServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def closed_port() -> int:
    """A port of this machine that nothing listens on."""
    with LocalServer({}) as gone:
        return gone.port
