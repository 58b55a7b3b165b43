"""What decides, as it is right now: swapped whole when a file changes, so no decision ever sees half of an edit."""

from __future__ import annotations

from dataclasses import dataclass

from ringlet_mitm.rules.providers import ProviderRegistry
from ringlet_mitm.rules.rulebook import RuleBook
from ringlet_mitm.rules.settings import NO_SETTINGS, Settings
from ringlet_mitm.rules.targets import ProfilePin
from ringlet_mitm.rules.tokens import Calibration


@dataclass(frozen=True, slots=True)
class Ruling:
    """The rules in force, and what they are read against."""

    book: RuleBook
    registry: ProviderRegistry
    pin: ProfilePin | None
    settings: Settings = NO_SETTINGS


@dataclass(slots=True)
class Live:
    """The current ruling and calibration; two fields that only `reload` and the ledger replace."""

    ruling: Ruling
    calibration: Calibration
