"""What kubeadm's own commands go by on an adopted cluster: its configuration, and where nodes that join find the API.

A cluster that a stack has founded has neither: nothing else reads them. Does not own which authorities are trusted,
the Roles that let nodes read both, which kubeadm has made, nor the signatures that the controller manager adds to
``cluster-info``.
"""

import base64
from typing import Any

import yaml

from render import network
from render.addons.objects import Object, config_map
from render.static_pods import ETCD_DATA, PKI
from settings import Stack


def objects(stack: Stack, told: Any = None) -> list[Object]:
    """Both ConfigMaps, for a cluster that kubeadm made.

    ``told``: what ``cluster_info`` says, or what becomes it. Left out, it is what the settings alone know, which is
    nothing once the authority was renewed.
    """
    if stack.adopted is None:
        return []
    if told is None and stack.cluster.pki.generations.ca == [1]:
        told = cluster_info(stack, stack.adopted.authorities["ca"].certificate)
    return [
        config_map("kube-system", "kubeadm-config", {"ClusterConfiguration": _yaml(configuration(stack))}),
        config_map("kube-public", "cluster-info", {} if told is None else {"kubeconfig": told}),
    ]


def cluster_info(stack: Stack, trusted: str) -> str:
    """Names the cluster and its authorities (``trusted``, PEM) to anybody: a kubeconfig without credentials."""
    authorities = base64.b64encode(trusted.encode()).decode()
    cluster = {"certificate-authority-data": authorities, "server": network.api_endpoint(stack)}
    return _yaml({"apiVersion": "v1", "kind": "Config", "clusters": [{"name": "", "cluster": cluster}]})


def configuration(stack: Stack) -> Object:
    """The ClusterConfiguration that would have led kubeadm to the same programs, flags and names."""
    cluster, versions, balancer = stack.cluster, stack.release.versions, stack.load_balancer
    names = [*balancer.extra_sans, *cluster.api_server.extra_sans]
    return {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "ClusterConfiguration",
        "apiServer": {
            "certSANs": [str(name) for name in names],
            "extraArgs": _arguments(cluster.api_server.extra_args),
        },
        "certificatesDir": PKI,
        "clusterName": cluster.name,
        "controlPlaneEndpoint": f"{balancer.address}:{balancer.port}",
        "controllerManager": {"extraArgs": _arguments(cluster.controller_manager.extra_args)},
        "dns": {"imageTag": f"v{versions.coredns}"},
        "encryptionAlgorithm": "RSA-2048" if cluster.pki.algorithm == "RSA" else "ECDSA-P256",
        "etcd": {
            "local": {
                "dataDir": ETCD_DATA,
                "extraArgs": _arguments(cluster.etcd.extra_args),
                "imageTag": f"{versions.etcd}-0",
            }
        },
        "imageRepository": "registry.k8s.io",
        "kubernetesVersion": f"v{versions.kubernetes}",
        "networking": {
            "dnsDomain": cluster.domain,
            "podSubnet": str(cluster.pod_cidr),
            "serviceSubnet": str(cluster.service_cidr),
        },
        "scheduler": {"extraArgs": _arguments(cluster.scheduler.extra_args)},
    }


def _arguments(flags: dict[str, str]) -> list[Object]:
    return [{"name": name, "value": value} for name, value in flags.items()]


def _yaml(document: Object) -> str:
    return yaml.safe_dump(document, sort_keys=False, width=1_000_000)
