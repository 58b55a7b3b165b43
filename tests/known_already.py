"""Imported by the server that forks our programs: the providers and agents that are built in are read once, there."""

import gc

from ringlet_mitm.rules.agents import presets
from ringlet_mitm.rules.providers import registry

registry({})
presets()
gc.freeze()
