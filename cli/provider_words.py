"""What was wrong with a provider, in words that say what to type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ringlet_mitm.addons.trying import Tried, Trouble
from ringlet_mitm.rules.providers import ProviderSpec

# How each local server is started; a model's name is the person's choice.
START: dict[str, str] = {
    "ollama": "ollama serve",
    "lmstudio": "lms server start",
    "vllm": "vllm serve MODEL",
    "sglang": "python -m sglang.launch_server --model-path MODEL",
    "tgi": "docker run --gpus all -p 8080:80 ghcr.io/huggingface/text-generation-inference --model-id MODEL",
    "llamacpp": "llama-server -m MODEL.gguf",
    "mlx": "mlx_lm.server --model MODEL",
}
AUTHS: dict[str, str] = {
    "bearer": "the key as a bearer token (authorization)",
    "x-api-key": "the key in x-api-key",
    "x-goog-api-key": "the key in x-goog-api-key",
    "api-key": "the key in api-key (Azure)",
    "none": "none",
    "aws": "a Bedrock API key as a bearer token, else signed with AWS credentials (SigV4)",
    "google-adc": "a token of Google's application default credentials",
    "copilot": "a token that GitHub gives for your Copilot login",
    "chatgpt": "the token of your ChatGPT login",
    "minimax-oauth": "the token of your MiniMax login",
}


@dataclass(frozen=True, slots=True)
class Case:
    """All that the words are made of."""

    spec: ProviderSpec
    tried: Tried

    @property
    def name(self) -> str:
        """What to call it on a command line."""
        return self.spec.provider_id

    @property
    def where(self) -> str:
        """Where it was asked."""
        return self.spec.default_base_url

    @property
    def docs(self) -> str:
        """Where a person gets a key or credit."""
        return self.spec.docs_url or "your account there"


def start_command(spec: ProviderSpec) -> str:
    """How to start the server, "" where nobody knows."""
    names = (spec.provider_id, *spec.aliases)
    return next((START[name] for name in names if name in START), "")


def set_key(spec: ProviderSpec) -> str:
    """The commands that set a key."""
    login = f"ringlet-mitm providers login {spec.provider_id}"
    if spec.auth == "google-adc":
        return "gcloud auth application-default login"
    if not spec.api_key_env_vars:
        return login
    return f"export {spec.api_key_env_vars[0]}=…  or  {login}"


def _move(case: Case) -> str:
    variable = case.spec.base_url_env_var
    here = f", or where it is:  export {variable}=URL" if variable else ""
    return f"check its address, {case.where}{here}"


def _nothing_listens(case: Case) -> str:
    if case.spec.connection_type != "local":
        return f"nothing listens at {case.where}; {_move(case)}"
    command = start_command(case.spec)
    start = f"start it with:  {command}" if command else "start it"
    variable = case.spec.base_url_env_var
    return f"it is not running at {case.where}; {start}" + (
        f"  or say where:  export {variable}=URL" if variable else ""
    )


def _model(case: Case) -> str:
    name = f"{case.name} has no model '{case.tried.model}'"
    if case.spec.connection_type == "local" and "ollama" in (case.name, case.spec.shape):
        return f"{name}; get it with:  ollama pull {case.tried.model}  or see yours:  ringlet-mitm providers discover"
    examples = [model for model in case.spec.example_models if model != case.tried.model][:2]
    other = examples[0] if examples else "NAME"
    return f"{name}, or your account may not use it; try:  ringlet-mitm providers test {case.name} --model {other}"


def _wrong_key(case: Case) -> str:
    label = case.tried.key_label
    which = f"the key from {label}" if label and label != "agent" else "the key"
    return f"{which} is not accepted; get one at {case.docs} and set it:  {set_key(case.spec)}"


def _permission(case: Case) -> str:
    return f"the key is known, but may not use {case.tried.model}; see its permissions at {case.docs}"


WORDS: dict[Trouble, Callable[[Case], str]] = {
    Trouble.NO_KEY: lambda case: f"no key; set one:  {set_key(case.spec)}",
    Trouble.WRONG_KEY: _wrong_key,
    Trouble.NO_PERMISSION: _permission,
    Trouble.QUOTA: lambda case: f"the key works, but no quota or credit is left; add some at {case.docs}",
    Trouble.RATE_LIMITED: lambda case: "the key works, but too many requests were made just now; wait a minute",
    Trouble.OVERLOADED: lambda case: f"{case.name} is overloaded; try again in a minute",
    Trouble.NO_SUCH_MODEL: _model,
    Trouble.WRONG_ENDPOINT: lambda case: f"no model API is at that path; {_move(case)}",
    Trouble.NO_SUCH_HOST: lambda case: f"its host's name is not known; see to your network, or {_move(case)}",
    Trouble.NOTHING_LISTENS: _nothing_listens,
    Trouble.TLS: lambda case: (
        f"the TLS connection failed; behind a company's proxy:  --upstream-ca FILE; {_move(case)}"
    ),
    Trouble.UNREACHABLE: lambda case: f"it cannot be reached; {_move(case)}",
    Trouble.TIMED_OUT: lambda case: "no answer in time; give it more:  --timeout 120",
    Trouble.BROKE_OFF: lambda case: "its answer broke off; try again",
    Trouble.SERVER_ERROR: lambda case: f"{case.name} has trouble of its own; try again later",
    Trouble.REFUSED_REQUEST: lambda case: "it refuses the request",
    Trouble.NOT_SENT: lambda case: "the request was not sent",
}


def in_words(spec: ProviderSpec, tried: Tried) -> str:
    """What was wrong and what to do; "" where nothing was."""
    return WORDS[tried.trouble](Case(spec, tried)) if tried.trouble is not None else ""


def missing_variables(spec: ProviderSpec) -> str:
    """What to set before there is an address at all; "" where nothing is missing."""
    if spec.problem:
        return spec.problem
    names = " ".join(f"{name}=…" for name in spec.lacking)
    return f"needs {' and '.join(spec.lacking)}; set:  export {names}" if names else ""
