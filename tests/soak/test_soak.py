"""The soak and the fuzz in short, so that they do not rot: all their checks, a few seconds of each."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from forking import ForkedProxy
from soak import fuzz as fuzzing
from soak import running as soaking
from soak.cases import SOUND, cases
from soak.chance import FAULTS, Chance
from soak.mutations import mutated
from soak.table import lines, passed, printed, stories

needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux's /proc")
SOAK = soaking.Extent(
    seconds=4,
    least=40,
    streams=20,
    seed=20,
    pause_s=0.03,
    think_s=0.15,
    reload_s=1.0,
    usage_s=1.0,
    kill_s=2.0,
    flat=False,
)
FUZZ = fuzzing.Extent(seconds=3, least=30, agents=8, seed=20, every=False)


@needs_proc
def test_a_short_soak(tmp_path: Path) -> None:
    result = soaking.soak(tmp_path, SOAK, ForkedProxy)
    found = lines(result)
    assert passed(found), "\n".join([*stories(result), printed(found)])
    assert len(result.stories) >= SOAK.least and result.watch.usage_s and result.reloaded


@needs_proc
def test_a_short_fuzz(tmp_path: Path) -> None:
    result = fuzzing.fuzz(tmp_path, FUZZ, ForkedProxy)
    found = fuzzing.lines(result)
    assert passed(found), "\n".join([*fuzzing.stories(result), printed(found)])
    assert sum(answers.total() for answers in result.answers.values()) >= FUZZ.least


def test_faults_are_the_same_in_every_run_and_as_many_as_asked_for() -> None:
    chance = Chance(7, 0.1, 0.1)
    met = [chance(number, 0).name for number in range(5000)]
    assert met == [Chance(7, 0.1, 0.1)(number, 0).name for number in range(5000)]
    assert {fault.name for fault in FAULTS} <= set(met) and 0.08 < 1 - met.count("ok") / 5000 < 0.12


def test_mutations_are_the_same_in_every_run() -> None:
    for sound in SOUND:
        told = [mutated(sound.data, random.Random(number)) for number in range(50)]
        assert told == [mutated(sound.data, random.Random(number)) for number in range(50)]
        assert sum(one != sound.data for one in told) > 45


def test_each_hand_made_case_has_a_name_of_its_own() -> None:
    names = [(case.family, case.name, case.where) for case in cases()]
    assert len(set(names)) == len(names) > 400
