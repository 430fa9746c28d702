"""The approver of kubelet serving certificates on each master (scripts/csr-approver.sh): its unit and its table."""

from render.files import File
from settings import Stack

KUBECONFIG = "/etc/kubernetes/evenkeel/csr-approver.conf"
NAMES = "/etc/kubernetes/evenkeel/kubelet-serving.names"

UNIT = """\
[Unit]
Description=Approves the kubelets' serving certificates, each for its own node
After=kubelet.service

[Service]
ExecStart=/usr/local/lib/evenkeel/csr-approver.sh
Restart=always
RestartSec=2

[Install]
WantedBy=multi-user.target
"""


def files(stack: Stack) -> list[File]:
    """The plain files of the part ``csr-approver``."""
    names = "".join(f"{host.name} {host.name} {host.address}\n" for host in stack.nodes().values())
    return [File(NAMES, names), File("/etc/systemd/system/evenkeel-csr-approver.service", UNIT)]
