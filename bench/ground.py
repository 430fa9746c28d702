"""The hosts that figures are measured on: three masters and a load balancer, their stack, and how they are emptied.

A host is *prepared* when it is as the program's step ``prepare`` leaves it: every program and image is there,
containerd runs, and there is nothing of a cluster.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from lab import hosts, ssh
from tests.lab.program import Program

*MASTERS, BALANCER = hosts.BENCH
BALANCER_ADDRESS = hosts.ADDRESSES[BALANCER]
API_PORT = 6443

# No network is brought: kubeadm brings none either. So neither side waits for pods that need one.
PROGRAM = Program(
    "bench",
    {
        "cluster": {"name": "bench", "cni": "none"},
        "hosts": {
            name: {"address": hosts.ADDRESSES[name], "roles": ["lb"] if name == BALANCER else ["master"]}
            for name in hosts.BENCH
        },
        "loadBalancer": {"address": BALANCER_ADDRESS, "extraSans": [], "vip": None},
    },
)

END_PODS = """
systemctl stop kubelet 2>/dev/null
ctr -n k8s.io tasks ls -q 2>/dev/null | xargs -r -n 1 ctr -n k8s.io tasks kill -s KILL 2>/dev/null
ctr -n k8s.io tasks ls -q 2>/dev/null | xargs -r -n 1 ctr -n k8s.io tasks rm -f 2>/dev/null
ctr -n k8s.io containers ls -q 2>/dev/null | xargs -r -n 50 ctr -n k8s.io containers rm 2>/dev/null
systemctl restart containerd
until ctr plugins ls 2>/dev/null | awk '$2 == "cri" && $1 ~ /grpc/ { s = $4 } END { exit s != "ok" }'; do
    sleep 0.2
done
"""
# What the step ``prepare`` leaves.
PREPARED_PARTS = "scripts system registries runtime runtime.artifacts kubelet.artifacts tools.artifacts"
KEPT = " ".join(f"! -name {part} ! -name {part}.index ! -name {part}.live" for part in PREPARED_PARTS.split())
EMPTY_MASTER = f"""{END_PODS}
systemctl disable --now evenkeel-csr-approver 2>/dev/null
awk '$2 ~ "^/var/lib/kubelet/" {{ print $2 }}' /proc/mounts | xargs -r -n 1 umount -l
find /var/lib/evenkeel/staged /var/lib/evenkeel/applied -mindepth 1 -maxdepth 1 {KEPT} -exec rm -rf {{}} +
rm -f /var/lib/evenkeel/etcd-founding-ticket
rm -rf /etc/kubernetes /var/lib/etcd /var/lib/kubelet /var/log/pods /var/log/containers /etc/cni/net.d /root/.kube
rm -f /etc/systemd/system/kubelet.service /etc/systemd/system/evenkeel-csr-approver.service
rm -rf /etc/systemd/system/kubelet.service.d/10-kubeadm.conf /usr/bin/kubeadm /etc/bench
systemctl daemon-reload
"""
EMPTY_BALANCER = """
systemctl disable --now evenkeel-upstreams 2>/dev/null
systemctl disable --now nginx 2>/dev/null
rm -rf /var/lib/evenkeel /etc/systemd/system/evenkeel-upstreams.service /etc/systemd/system/nginx.service.d
systemctl daemon-reload
"""


def prepare() -> None:
    """Makes the hosts and has the program itself bring programs and images, once; nobody measures that."""
    hosts.ensure(hosts.BENCH)
    ssh.ensure(hosts.BENCH)
    PROGRAM.forget()
    PROGRAM.create()
    PROGRAM.up().ok()
    empty()


def empty() -> None:
    """Every host prepared and nothing more, and a stack without state."""
    on_all(MASTERS, EMPTY_MASTER)
    on_all([BALANCER], EMPTY_BALANCER)
    PROGRAM.forget()
    PROGRAM.create()


def on_all(names: Sequence[str], script: str) -> None:
    """Runs shell lines on several hosts side by side."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda name: hosts.run(name, script, timeout=300), names))


def remove() -> None:
    """Takes hosts and stack away."""
    PROGRAM.forget()
    for name in hosts.BENCH:
        hosts.destroy(name)
