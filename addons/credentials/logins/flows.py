"""The three vendors' tables by name."""

from __future__ import annotations

from ringlet_mitm.addons.credentials.logins.codex import CODEX
from ringlet_mitm.addons.credentials.logins.copilot import COPILOT
from ringlet_mitm.addons.credentials.logins.device_code import DeviceFlow
from ringlet_mitm.addons.credentials.logins.minimax import MINIMAX

# By the `flow` of a provider's `[login]` table.
FLOWS: dict[str, DeviceFlow] = {"github-device": COPILOT, "openai-device": CODEX, "minimax-device": MINIMAX}
# By the authentication scheme of its requests.
BY_SCHEME: dict[str, DeviceFlow] = {"copilot": COPILOT, "chatgpt": CODEX, "minimax-oauth": MINIMAX}
