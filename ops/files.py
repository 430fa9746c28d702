"""Files of this machine that are whole or not there: what a command writes is moved into place.

Owns that, and nothing about what is in them. Files on hosts are scripts' affair.
"""

import os
import tempfile
from pathlib import Path

MODE = 0o644


def put(path: Path, content: bytes) -> None:
    """Puts a file in place in one step, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=f".{path.name}.", delete=False) as temporary:
        try:
            temporary.write(content)
            temporary.flush()
            os.fsync(temporary.fileno())
            Path(temporary.name).chmod(MODE)
            Path(temporary.name).replace(path)
        except BaseException:
            Path(temporary.name).unlink(missing_ok=True)
            raise
