"""The approver of kubelet serving certificates on each master (scripts/csr-approver.sh): its unit and its table.

The script comes along, not with the host's other scripts: a running approver goes on with the text that it was started
with, so that a changed one has to restart it.
"""

from pathlib import Path

from render.files import File
from settings import Stack

KUBECONFIG = "/etc/kubernetes/evenkeel/csr-approver.conf"
NAMES = "/etc/kubernetes/evenkeel/kubelet-serving.names"
PROGRAM = "/usr/local/lib/evenkeel/csr-approver/csr-approver.sh"
SCRIPT = Path(__file__).parent.parent / "scripts" / "csr-approver.sh"

UNIT = f"""\
[Unit]
Description=Approves the kubelets' serving certificates, each for its own node
After=kubelet.service

[Service]
ExecStart={PROGRAM}
Restart=always
RestartSec=2

[Install]
WantedBy=multi-user.target
"""


def files(stack: Stack) -> list[File]:
    """The plain files of the part ``csr-approver``."""
    names = "".join(f"{host.name} {host.name} {host.address}\n" for host in stack.nodes().values())
    return [
        File(PROGRAM, SCRIPT.read_text(), mode="0755"),
        File(NAMES, names),
        File("/etc/systemd/system/evenkeel-csr-approver.service", UNIT),
    ]
