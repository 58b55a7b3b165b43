"""What a function of a test takes of memory, in a process of its own: in the tests' own other threads take some too."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from forking import server


class Memory(NamedTuple):
    """Bytes that were there at once, at most, and those that are there still."""

    peak: int
    held: int


def memory_of(function: Callable[..., Any], *args: Any) -> Memory:
    """What calling what the function gives back takes; what is made before that is not counted.

    The function is one of a test file's own, by its name.
    """
    reading, writing = server().Pipe(duplex=False)
    process = server().Process(target=_measure, args=(function.__code__.co_filename, function.__name__, args, writing))
    process.start()
    writing.close()
    try:
        return Memory(*reading.recv())
    finally:
        process.join()


def _measure(file: str, name: str, args: tuple[Any, ...], out: Connection) -> None:
    spec = spec_from_file_location("measured", file)
    assert spec is not None and spec.loader is not None
    module = sys.modules["measured"] = module_from_spec(spec)
    spec.loader.exec_module(module)
    step = getattr(module, name)(*args)
    gc.collect()
    tracemalloc.start()
    step()
    _, peak = tracemalloc.get_traced_memory()
    # Up to 250 KB of names of attributes; `match` adds one each time (3.11.7), mostly in the place of another.
    sys._clear_type_cache()
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    out.send((peak, held))
