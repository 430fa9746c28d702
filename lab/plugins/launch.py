"""What the engine starts as a plugin: has the engine's language host serve it, or else becomes it (``serving``).

It lasts for as long as the engine wants the plugin. Nothing is imported but what starts within a few milliseconds.
"""

import os
import signal
import socket
import sys


def door_of(engine: int) -> str:
    """The abstract socket at which the language host of the engine with this process ID takes plugins to serve."""
    return f"\0evenkeel-lab-plugins-{engine}"


def main() -> None:
    """Arguments: the plugin's name, the command that serves it alone, and what the engine adds, its address last."""
    _, name, *alone = sys.argv
    door = socket.socket(socket.AF_UNIX)
    try:
        door.connect(door_of(os.getppid()))
    except ConnectionRefusedError:
        os.execv(alone[0], alone)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    door.sendall(f"{name} {sys.argv[-1]}\n".encode())
    port = door.recv(16)
    if not port:
        sys.exit(f"{name}: the language host did not serve it; its own output says why")
    os.write(sys.stdout.fileno(), port)
    door.recv(1)


if __name__ == "__main__":
    main()
