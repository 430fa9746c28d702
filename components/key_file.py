"""The private key in a file, for steps that use this machine's ``ssh``, which reads keys from files only.

A key that is kept in the stack's configuration is laid into a file of this user's own, in memory where there is such a
place, and stays there: the engine deletes containers after the program has ended. No preview connects to anything, so
none writes the file.
"""

import os
import shutil
import tempfile
from pathlib import Path

import pulumi

from settings import Ssh


def key_file(ssh: Ssh) -> str | None:
    """The key's file, under a name that is the same in every run: another one would be a change of the provider.

    None where an SSH agent has the key.
    """
    if ssh.by_agent:
        return None
    if ssh.private_key_file is not None:
        return ssh.private_key_file
    folder = _own_folder()
    path = folder / f"{pulumi.get_project()}-{pulumi.get_stack()}.key"
    if not pulumi.runtime.is_dry_run():
        _write(path, ssh.private_key.get_secret_value())
    return str(path)


def _own_folder() -> Path:
    memory = os.environ.get("XDG_RUNTIME_DIR") or ("/dev/shm" if Path("/dev/shm").is_dir() else tempfile.gettempdir())
    return Path(memory) / f"evenkeel-{os.getuid()}"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if path.parent.is_symlink() or path.parent.stat().st_uid != os.getuid():
        raise pulumi.RunError(f"{path.parent}: belongs to somebody else; remove it, or set XDG_RUNTIME_DIR")
    path.parent.chmod(0o700)
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text if text.endswith("\n") else f"{text}\n")
    shutil.move(new, path)
