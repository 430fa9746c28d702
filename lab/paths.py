"""The addresses of what a running lab leaves in its clone and on the machine.

Owns: the names of these files. Does not own: their contents.
"""

from pathlib import Path

CLONE = Path(__file__).resolve().parent.parent

LAB = CLONE / ".lab"
BIN = LAB / "bin"
STATE = LAB / "state"
PULUMI_HOME = LAB / "home"
PASSPHRASE = LAB / "passphrase"
PRIVATE_KEY = LAB / "id_ed25519"
PUBLIC_KEY = LAB / "id_ed25519.pub"
KNOWN_HOSTS = LAB / "known_hosts"
SSH_CONFIG = LAB / "ssh_config"
ENV = LAB / "env"
KUBECONFIG = LAB / "kubeconfig"

# The Docker daemon that the lab starts itself where none runs. Outside the clone: clones share it.
DAEMON_DATA = Path("/var/lib/evenkeel-lab")
DAEMON_RUN = Path("/run/evenkeel-lab")


def make_lab_folder() -> None:
    """The clone's ``.lab`` folder, which only its owner can read: keys and state lie in it."""
    LAB.mkdir(mode=0o700, exist_ok=True)
    LAB.chmod(0o700)
