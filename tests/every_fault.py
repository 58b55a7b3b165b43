"""Every kind of fault that a provider may have, and when it is over: the rows of the matrix, and most of a soak's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ringlet_mitm.cli.demo import faults
from ringlet_mitm.cli.demo.faults import Step, delay, ok, status

# early: before anything is worth sending on; late: bytes have gone where it is a stream; harmless: the answer is right.
When = Literal["early", "late", "harmless"]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault; without a step it is the place that is wrong: nobody listens there."""

    name: str
    when: When
    step: Step | None


FAULTS = (
    Fault("429", "early", status(429, headers={"retry-after-ms": "30"})),
    Fault("500", "early", status(500)),
    Fault("503-no-json", "early", status(503, body=b"<html>upstream connect error</html>")),
    Fault("529", "early", status(529)),
    Fault("refused", "early", None),
    Fault("deaf", "early", None),
    Fault("certificate", "early", faults.wrong_certificate()),
    Fault("reset", "early", faults.reset()),
    Fault("reset-after-headers", "early", faults.reset(0)),
    Fault("drop", "early", faults.drop()),
    Fault("close", "early", faults.close()),
    Fault("rst-stream", "early", faults.reset_stream()),
    Fault("half-open", "early", faults.silent()),
    Fault("half-open-after-headers", "early", faults.silent(0)),
    Fault("garbage", "early", faults.garbage()),
    Fault("error-first", "early", faults.error_first()),
    Fault("goaway-before", "early", faults.go_away_before()),
    Fault("reset-midway", "late", faults.reset(3)),
    Fault("drop-midway", "late", faults.drop(3)),
    Fault("close-midway", "late", faults.close(3)),
    Fault("rst-stream-midway", "late", faults.reset_stream(3)),
    Fault("silent-midway", "late", faults.silent(3)),
    Fault("error-midway", "late", faults.error_after(3)),
    Fault("length-too-long", "late", faults.wrong_length(7)),
    Fault("length-too-short", "late", faults.wrong_length(-7)),
    Fault("goaway-during", "late", faults.go_away_during()),
    Fault("goaway-after", "harmless", faults.go_away_after()),
    Fault("slow", "harmless", delay(200, ok())),
    # A byte at a time would be half of what all faults together take; test_faults.py has that.
    Fault("slow-drip", "harmless", faults.slow_drip(sizes=(1, 2, 3, 5, 8, 13))),
)
