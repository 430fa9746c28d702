"""What write-ups tell people to do by hand to make three masters of a kubeadm cluster's only one.

The load balancer gets nginx, the master's certificate is made anew with its address, two masters join, and worker and
kube-proxy turn to it. Does not own the cluster (``tests.lab.kubeadm_cluster``).
"""

from concurrent.futures import ThreadPoolExecutor

import yaml

from bench.kubeadm import NGINX
from lab import hosts
from tests.lab import kubeadm_cluster
from tests.lab.adoption import BALANCER, MASTER, SECOND, THIRD, WORKER, like_dev
from tests.lab.kubeadm_cluster import API_PORT, JOIN, TOKEN, run
from tests.waiting import eventually

ADDRESS = hosts.ADDRESSES[BALANCER]
KEY = "0123456789abcdef" * 4
KUBECTL = "kubectl --kubeconfig=/etc/kubernetes/admin.conf"
TO_BALANCER = f"s|https://.*:{API_PORT}|https://{ADDRESS}:{API_PORT}|"
SECONDS = 240
TOKEN_ID = TOKEN.partition(".")[0]

# What write-ups tell people to do on the master that there is: names for the load balancer, in a certificate made anew.
TURN_MASTER = f"""set -eu
rm /etc/kubernetes/pki/apiserver.crt /etc/kubernetes/pki/apiserver.key
kubeadm init phase certs apiserver --config /etc/kubeadm.yaml
kill $(grep -lsx kube-apiserver /proc/[0-9]*/comm | cut -d / -f 3)
until curl -fsko /dev/null --max-time 2 https://127.0.0.1:{API_PORT}/readyz; do sleep 0.5; done
kubeadm init phase upload-config kubeadm --config /etc/kubeadm.yaml
kubeadm init phase upload-certs --upload-certs --config /etc/kubeadm.yaml
signed() {{ {KUBECTL} get configmap cluster-info -n kube-public -o 'jsonpath={{.data.jws-kubeconfig-{TOKEN_ID}}}'; }}
before=$(signed)
for map in kube-public/cluster-info kube-system/kube-proxy; do
    {KUBECTL} get configmap "${{map#*/}}" -n "${{map%/*}}" -o yaml | sed '{TO_BALANCER}' | {KUBECTL} replace -f -
done
until [ "$(signed)" != "$before" ]; do sleep 0.5; done
"""
TURN_WORKER = f"""set -eu
sed -i '{TO_BALANCER}' /etc/kubernetes/kubelet.conf
systemctl restart kubelet
"""
ROLLOUT = f"{KUBECTL} -n kube-system rollout"
TURN_PROXY = f"{ROLLOUT} restart daemonset/kube-proxy && {ROLLOUT} status daemonset/kube-proxy"


def grow_by_hand() -> None:
    """Until every apiserver is ready."""
    stack = like_dev()
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda name: kubeadm_cluster.install(name, stack), (SECOND, THIRD)))
    servers = "\n".join(f"        server {hosts.ADDRESSES[name]}:{API_PORT};" for name in (MASTER, SECOND, THIRD))
    hosts.run(BALANCER, "cat >/etc/nginx/nginx.conf", stdin=NGINX.format(servers=servers, port=API_PORT), check=True)
    run(BALANCER, "systemctl restart nginx")
    documents = list(yaml.safe_load_all(run(MASTER, "cat /etc/kubeadm.yaml")))
    cluster = next(one for one in documents if one["kind"] == "ClusterConfiguration")
    cluster["controlPlaneEndpoint"] = f"{ADDRESS}:{API_PORT}"
    next(one for one in documents if one["kind"] == "InitConfiguration")["certificateKey"] = KEY
    hosts.run(MASTER, "cat >/etc/kubeadm.yaml", stdin=yaml.safe_dump_all(documents), check=True)
    run(MASTER, TURN_MASTER)
    for name in (SECOND, THIRD):
        run(name, f"kubeadm join {ADDRESS}:{API_PORT} {JOIN} --control-plane --certificate-key {KEY}")
    run(WORKER, TURN_WORKER)
    run(MASTER, TURN_PROXY)
    masters = (MASTER, SECOND, THIRD)
    eventually(lambda: all(_ready(name) for name in masters), SECONDS, "every apiserver is ready")


def _ready(name: str) -> bool:
    return hosts.run(name, f"curl -fsko /dev/null --max-time 2 https://127.0.0.1:{API_PORT}/readyz").returncode == 0
