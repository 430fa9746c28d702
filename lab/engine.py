"""Which Pulumi the lab uses, and the environment that a user gets by sourcing ``.lab/env``.

Owns: choosing between the machine's own ``pulumi`` and the one that the lab builds, and ``.lab/env``. Does not own: the
plugin servers and the language host (``lab.plugins``, ``lab.language``), or the stack (``lab.stack``).
"""

import os
import shlex
import shutil
from pathlib import Path

from lab import toolchain
from lab.paths import BIN, CLONE, ENV, KUBECONFIG, LAB, PASSPHRASE, PULUMI_HOME, STATE, make_lab_folder
from lab.plugins.install import install

VENV = CLONE / ".venv"
# The state lies beside it, so that a random passphrase would guard nothing. Pulumi.dev.yaml carries its salt.
PASSPHRASE_TEXT = "evenkeel-lab"


def official() -> Path | None:
    """The ``pulumi`` that this machine has on PATH apart from the lab's."""
    folders = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if Path(folder) != BIN]
    found = shutil.which("pulumi", path=os.pathsep.join(folders))
    return Path(found) if found else None


def program() -> Path:
    """The ``pulumi`` that the lab runs."""
    return official() or BIN / "pulumi"


def description() -> str:
    """What was chosen, in words."""
    if official():
        return f"{official()}, found on PATH, with the official plugins"
    return "pulumi built from its Go module, with the lab's own plugin servers and language host"


def prepare() -> None:
    """Lays down everything under ``.lab`` that a ``pulumi`` command needs."""
    make_lab_folder()
    for folder in (BIN, STATE):
        folder.mkdir(exist_ok=True)
    PASSPHRASE.write_text(PASSPHRASE_TEXT)
    PASSPHRASE.chmod(0o600)
    if official() is None:
        PULUMI_HOME.mkdir(exist_ok=True)
        install(PULUMI_HOME, BIN, VENV / "bin" / "python")
    _link(BIN / "kubectl", toolchain.binary("kubernetes", "kubectl"))
    _link(BIN / "etcdctl", toolchain.binary("etcd", "etcdctl"))
    ENV.write_text(_text())


def variables() -> dict[str, str]:
    """The lab's environment, without PATH."""
    own = {
        # Without metadata=skip each state has a side file that is not replaced whole: an engine that is killed while it
        # writes one leaves it empty, and no later engine reads the state ("failed to load checkpoint: EOF").
        "PULUMI_BACKEND_URL": f"file://{STATE}?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(PASSPHRASE),
        "PULUMI_SKIP_UPDATE_CHECK": "1",
        "PYTHONDONTWRITEBYTECODE": "",  # program and plugins start anew in each run: they must not be compiled anew
        "KUBECONFIG": str(KUBECONFIG),
        "VIRTUAL_ENV": str(VENV),
    }
    if official() is None:
        own |= {"PULUMI_HOME": str(PULUMI_HOME), "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "1"}
    return own


def environment() -> dict[str, str]:
    """The lab's environment together with this process's own, for a child process."""
    path = os.pathsep.join([str(BIN), str(VENV / "bin"), os.environ.get("PATH", "")])
    return {**os.environ, **variables(), "PATH": path}


def _text() -> str:
    """For a person: without the outputs that end each run, whose hundred lines of certificates hide what was done."""
    shown = {**variables(), "PULUMI_OPTION_SUPPRESS_OUTPUTS": "true"}
    exports = [f"export {name}={shlex.quote(value)}" for name, value in shown.items()]
    path = f'export PATH={shlex.quote(str(BIN))}:{shlex.quote(str(VENV / "bin"))}:"$PATH"'
    return "\n".join([f"# To be sourced by sh: the lab of {LAB.parent}.", *exports, path]) + "\n"


def _link(link: Path, target: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target)
