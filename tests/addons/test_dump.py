"""`--dump`: one flow after another, its owner's alone, never a key, bodies only of model calls and only where wanted."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from exchanges import *  # noqa: F403
