"""What a stack's file must say for its `up` to make of a cluster what it is already, with room to grow.

Owns which of the cluster's own settings are kubeadm's (and so the stack's by itself) and which are its user's. Does not
own whether a stack may carry them: the stack's rules refuse what they must, in the file and in plain sight.
"""

import ipaddress
from collections.abc import Callable, Mapping

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding

from ops.adopt.cluster import AUTHORITIES, Cluster, Node
from ops.adopt.look import LookError
from ops.adopt.manifest import flags
from render.addons import coredns
from render.static_pods import PKI
from settings import Ssh
from settings.fields import Tree
from settings.rules import promises

SECTIONS = {
    "apiServer": "kube-apiserver",
    "controllerManager": "kube-controller-manager",
    "scheduler": "kube-scheduler",
    "etcd": "etcd",
}
AUTHORITY_NAMES = {"ca": "ca", "front-proxy-ca": "frontProxyCa", "etcd-ca": "etcdCa"}

# Flags that kubeadm gives another value than the stack does, or that etcd 3.5 spelt otherwise: nobody's own settings;
# and flags that are nobody's own as long as they have these values.
_KUBEADMS_OWN = {
    "kube-apiserver": {"etcd-servers"},
    "etcd": {
        *("initial-cluster", "initial-cluster-state", "initial-advertise-peer-urls", "listen-peer-urls"),
        *("experimental-initial-corrupt-check", "experimental-watch-progress-notify-interval"),
    },
}
_KUBEADMS_VALUES = {"etcd": {"snapshot-count": "10000"}}
# What kubeadm names since 1.34 where its user names none, and what it comes to: /var/run is a link to /run.
_CONTAINERDS_SOCKETS = {f"unix://{folder}/containerd/containerd.sock" for folder in ("/run", "/var/run")}
# What no node has a setting of its own for: the stack's, and what it was registered with once.
_STACKS_KUBELET = {*(path[0] for path in promises.KUBELET), "registerWithTaints"}
# Fields of kube-proxy's whose zero is a setting: where nobody has set them, kubeadm writes null.
_ZERO_COUNTS = {
    *("maxPerCore", "min", "tcpEstablishedTimeout", "tcpCloseWaitTimeout"),
    *("masqueradeBit", "localhostNodePorts", "oomScoreAdj"),
}
_BLANK_LOGGING = {
    "flushFrequency": 0,
    "options": {"json": {"infoBufferSize": "0"}, "text": {"infoBufferSize": "0"}},
    "verbosity": 0,
}
_KUBEADMS_PROXY: Tree = {
    "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
    "kind": "KubeProxyConfiguration",
    "bindAddress": "0.0.0.0",
    "clientConnection": {"kubeconfig": "/var/lib/kube-proxy/kubeconfig.conf"},
    "logging": _BLANK_LOGGING,
}


def of(cluster: Cluster, usual: Mapping[str, Mapping[str, str]], ssh: Ssh, known_hosts: str, release: str) -> Tree:
    """The sections that the cluster itself can tell.

    ``usual``: the flags that the stack gives each program by itself, which are nobody's own settings either.
    """
    key: Tree = {"privateKeyFile": ssh.private_key_file} if ssh.private_key_file else {"agent": True}
    access: Tree = {"user": ssh.user, "knownHosts": known_hosts} | key
    sections: Tree = {
        "cluster": _cluster(cluster, usual),
        "hosts": hosts(cluster, ssh),
        "ssh": access | ({"port": ssh.port} if ssh.port != 22 else {}),
        "release": {"name": release},
        "adopted": _adopted(cluster),
    }
    return sections | ({"loadBalancer": endpoint} if (endpoint := _endpoint(cluster)) else {})


def hosts(cluster: Cluster, ssh: Ssh) -> Tree:
    """Every node, under its own name."""
    return {node.name: _host(cluster, node, ssh) for node in cluster.nodes}


def network(cluster: Cluster) -> Tree:
    """What the cluster's flags and addresses follow from."""
    networking = cluster.kubeadm.get("networking", {})
    for name in ("podSubnet", "serviceSubnet"):
        if not _is_ipv4(str(networking.get(name)).partition("/")[0]) or "," in networking[name]:
            what = f"kubeadm-config: networking.{name} is {networking.get(name)}, and a stack has one IPv4 range"
            raise LookError(
                f"{what}; set the range that the cluster uses there (kubectl -n kube-system edit cm kubeadm-config)"
            )
    return {
        "name": cluster.kubeadm.get("clusterName", "kubernetes"),
        "environment": "production",
        "domain": networking.get("dnsDomain", "cluster.local"),
        "podCidr": networking.get("podSubnet"),
        "serviceCidr": networking.get("serviceSubnet"),
    }


def kept(cluster: Cluster) -> list[str]:
    """The add-ons that are not kubeadm's own any more: a CoreDNS that its user has changed, or no kube-proxy.

    Who lets the pod network do kube-proxy's work may have taken away its pods alone: its ConfigMap says nothing then.
    """
    domain = network(cluster)["domain"]
    usual = coredns.COREFILE.format(domain=domain, metrics_port=coredns.METRICS_PORT)
    own_dns = cluster.corefile.split() != usual.split() or _is_of_another_size(cluster.coredns)
    has_proxy = bool(cluster.kube_proxy) and "kube-proxy" in cluster.daemon_sets
    return [*(["coredns"] if own_dns else []), *([] if has_proxy else ["kube-proxy"])]


def _is_of_another_size(deployment: Tree) -> bool:
    """Whether somebody, or an autoscaler, has fitted CoreDNS to the cluster, as kubeadm's upgrades leave it."""
    if not deployment:
        return False
    spec = deployment["spec"]
    resources = [container.get("resources") for container in spec["template"]["spec"]["containers"]]
    return bool(spec.get("replicas") != coredns.REPLICAS or resources != [coredns.RESOURCES])


def kubelet_config(cluster: Cluster, tree: Tree) -> Tree:
    """The fields of a KubeletConfiguration that somebody has chosen."""
    socket = tree.get("containerRuntimeEndpoint")
    usual = {"containerRuntimeEndpoint": socket} if socket in _CONTAINERDS_SOCKETS else {}
    return _chosen(tree, _kubeadms_kubelet(cluster) | usual, _blank)


def _cluster(cluster: Cluster, usual: Mapping[str, Mapping[str, str]]) -> Tree:
    section = network(cluster) | {"cni": "none", "pki": {"algorithm": _algorithm(cluster)}}
    for key, program in SECTIONS.items():
        own = _own_flags(program, flags(cluster.pods[program]), usual[program])
        if own:
            section[key] = {"extraArgs": own}
    if names := _extra_names(cluster):
        section["apiServer"] = section.get("apiServer", {}) | {"extraSans": names}
    kubelet = kubelet_config(cluster, cluster.kubelet_of_all)
    proxy = _chosen(cluster.kube_proxy, _KUBEADMS_PROXY | {"clusterCIDR": section["podCidr"]}, _zero)
    return (
        section
        | ({"kubelet": {"config": kubelet}} if kubelet else {})
        | ({"kubeProxy": {"config": proxy}} if proxy else {})
    )


def _own_flags(program: str, given: Mapping[str, str], usual: Mapping[str, str]) -> dict[str, str]:
    kubeadms, values = _KUBEADMS_OWN.get(program, set()), _KUBEADMS_VALUES.get(program, {})
    nobodys = usual.items() | values.items()
    return {name: value for name, value in given.items() if name not in kubeadms and (name, value) not in nobodys}


def _host(cluster: Cluster, node: Node, ssh: Ssh) -> Tree:
    roles = ["master", *([] if node.tainted else ["worker"])] if node.master else ["worker"]
    host: Tree = {"address": node.address, "roles": roles}
    own = _kubelet_of_its_own(cluster, node)
    host |= {"kubelet": {"config": own}} if own else {}
    if node == cluster.node:
        host |= {"ssh": {"host": ssh.host}} if ssh.host != node.address else {}
    return host


def _kubelet_of_its_own(cluster: Cluster, node: Node) -> Tree:
    """What a node's kubelet has beyond the cluster's: the read master's by its file, others' by what they say.

    That has every default in it, as what the master's own kubelet says has. What a stack sets by itself is left out.
    """
    if node == cluster.node:
        return _chosen(kubelet_config(cluster, cluster.kubelet), cluster.kubelet_of_all, _blank)
    here, there = cluster.running.get(cluster.node.name), cluster.running.get(node.name)
    if here is None or there is None:
        return {}
    own = _chosen(_chosen(there, here, _blank), cluster.kubelet_of_all, _blank)
    return {name: value for name, value in own.items() if name not in _STACKS_KUBELET}


def _adopted(cluster: Cluster) -> Tree:
    pems = {name: cluster.certificates[path].public_bytes(Encoding.PEM).decode() for name, path in AUTHORITIES.items()}
    return {
        "masters": [node.name for node in cluster.masters()],
        "keeps": kept(cluster),
        "authorities": {AUTHORITY_NAMES[name]: pem for name, pem in pems.items()},
    }


def _endpoint(cluster: Cluster) -> Tree:
    """A load balancer that clients go through already keeps its address, if a stack can name it."""
    host, _, port = str(cluster.kubeadm.get("controlPlaneEndpoint") or "").rpartition(":")
    if not _is_ipv4(host) or host in {node.address for node in cluster.nodes}:
        return {}
    return {"address": host, "port": int(port)}


def _algorithm(cluster: Cluster) -> str:
    return "RSA" if isinstance(cluster.certificates[AUTHORITIES["ca"]].public_key(), RSAPublicKey) else "ECDSA"


def _extra_names(cluster: Cluster) -> list[str]:
    """The names of the apiserver's certificate beside those that every apiserver has."""
    names = cluster.certificates[f"{PKI}/apiserver.crt"].extensions.get_extension_for_class(x509.SubjectAlternativeName)
    given = [*names.value.get_values_for_type(x509.DNSName)]
    given += [str(address) for address in names.value.get_values_for_type(x509.IPAddress)]
    section = network(cluster)
    usual = {
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        f"kubernetes.default.svc.{section['domain']}",
    }
    usual |= {str(ipaddress.ip_network(section["serviceCidr"])[1])}
    usual |= {text for node in cluster.masters() for text in (node.name, node.address)}
    return [name for name in given if name not in usual]


def _kubeadms_kubelet(cluster: Cluster) -> Tree:
    section = network(cluster)
    service = ipaddress.ip_network(section["serviceCidr"])
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{PKI}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "systemd",
        "clusterDNS": [str(service[10])],
        "clusterDomain": section["domain"],
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": 10248,
        "logging": _BLANK_LOGGING,
        "rotateCertificates": True,
        "serverTLSBootstrap": True,  # which kubeadm leaves to its users, and a stack does
        "staticPodPath": "/etc/kubernetes/manifests",
    }


def _chosen(tree: Tree, usual: Tree, is_nothing: Callable[[str, object], bool]) -> Tree:
    """What ``tree`` says that ``usual`` doesn't, and that is not just nothing."""
    left: Tree = {}
    for name, value in tree.items():
        known = usual.get(name)
        if isinstance(value, dict):
            below = _chosen(value, known if isinstance(known, dict) else {}, is_nothing)
            left |= {name: below} if below else {}
        elif value != known and not is_nothing(name, value):
            left[name] = value
    return left


def _blank(_name: str, value: object) -> bool:
    return value in (None, "", "0s", [])


def _zero(name: str, value: object) -> bool:
    return value is None or (value in ("", "0s", [], False, 0) and name not in _ZERO_COUNTS)


def _is_ipv4(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 4
    except ValueError:
        return False
