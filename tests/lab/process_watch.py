"""Every process's arguments on this machine, the lab's hosts included, for as long as it watches.

The hosts are containers, so their processes are this machine's too: one reader sees them all, those of the engine and
its plugins as well. The kernel tells of each program that begins (its connector for process events, linux/cn_proc.h),
and its arguments are read at once. What runs already is read again each second, for who writes others over his own.
Does not own what is looked for (``tests.lab.leaks``).
"""

import contextlib
import errno
import os
import socket
import struct
import threading
import time
from pathlib import Path
from types import TracebackType

NETLINK_CONNECTOR = 11
RECEIVE_BUFFER_BY_ROOT = 33  # SO_RCVBUFFORCE: beyond what the machine allows to others
PROCESS_EVENTS = (1, 1)  # the connector's index and value
LISTEN = 1
BEGINS = 2  # exec, among the kinds of events
HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
MESSAGE = struct.Struct("=IIIIHH")  # index, value, sequence, acknowledged, length, flags
EVENT = struct.Struct("=IIQII")  # kind, processor, time, process, its group
DONE = 3
KEPT_BYTES = 32 << 20  # events that wait for the reader
LOOK_SECONDS = 1.0


class ProcessWatch(threading.Thread):
    """Used in a ``with``; ``seen`` are the arguments of each process, a line each.

    ``begun`` counts the programs that began, ``lost`` how often the kernel had more to tell than it could keep.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: set[bytes] = set()
        self.begun = self.lost = 0
        self._ended = threading.Event()
        self._events = _listen()

    def __enter__(self) -> "ProcessWatch":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self.join()
        self._events.close()

    def run(self) -> None:
        # This thread alone, and before all others: on a busy machine a short-lived process would end before it is read.
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        looked, waiting = 0.0, list[str]()
        while not self._ended.is_set():
            if not waiting and time.monotonic() - looked > LOOK_SECONDS:
                looked, waiting = time.monotonic(), [name for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208
            self._events.settimeout(0 if waiting else LOOK_SECONDS)
            try:
                self._follow()
            except (BlockingIOError, TimeoutError):  # nothing has begun: time for one that runs already
                if waiting:
                    self._read(waiting.pop())

    def write(self, file: Path) -> None:
        """All that was seen."""
        file.write_bytes(b"\n".join(sorted(self.seen)))

    def _follow(self) -> None:
        """Reads the arguments of the next program that begins, if the next event is one."""
        try:
            message = self._events.recv(4096)
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            self.lost += 1
            return
        kind, _, _, _, process = EVENT.unpack_from(message, HEADER.size + MESSAGE.size)
        if kind == BEGINS:
            self.begun += 1
            self._read(str(process))

    def _read(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            self.seen.add(Path("/proc", name, "cmdline").read_bytes().replace(b"\0", b" "))


def _listen() -> socket.socket:
    """Where the kernel tells of processes; needs root, and a kernel with CONFIG_PROC_EVENTS."""
    events = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_CONNECTOR)
    events.setsockopt(socket.SOL_SOCKET, RECEIVE_BUFFER_BY_ROOT, KEPT_BYTES)
    events.bind((0, PROCESS_EVENTS[0]))
    order = MESSAGE.pack(*PROCESS_EVENTS, 0, 0, 4, 0) + struct.pack("=I", LISTEN)
    events.send(HEADER.pack(HEADER.size + len(order), DONE, 0, 0, 0) + order)
    return events
