"""Every process's arguments on this machine, the lab's hosts included, for as long as it watches.

The hosts are containers, so their processes are this machine's too: one reader sees them all, those of the engine and
its plugins as well. A process is read again and again in its first second, in which it turns from its parent's copy
into a program of its own. Does not own what is looked for (``tests.lab.leaks``).
"""

import contextlib
import os
import threading
import time
from pathlib import Path
from types import TracebackType

PAUSE = 0.001
YOUNG = 1.0  # seconds
FIRST = -20  # its priority: a busy machine would else run short-lived processes between two of its looks


class ProcessWatch(threading.Thread):
    """Used in a ``with``; ``seen`` are the arguments of each process, a line each."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: set[bytes] = set()
        self.rounds = 0
        self._ended = threading.Event()

    def __enter__(self) -> "ProcessWatch":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), FIRST)
        born: dict[str, float] = {}
        everything = 0.0
        while not self._ended.is_set():
            now = time.monotonic()
            born = {name: born.get(name, now) for name in os.listdir("/proc") if name.isdigit()}  # noqa: PTH208 faster
            whole, everything = now - everything > YOUNG, now if now - everything > YOUNG else everything
            for name, since in born.items():
                if whole or now - since < YOUNG:
                    self._read(name)
            self.rounds += 1
            time.sleep(PAUSE)

    def write(self, file: Path) -> None:
        """All that was seen."""
        file.write_bytes(b"\n".join(sorted(self.seen)))

    def _read(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            self.seen.add(Path("/proc", name, "cmdline").read_bytes().replace(b"\0", b" "))
