"""Kubeconfigs with embedded credentials. Does not own who may do what (``render.addons.rbac``)."""

import base64

from render.yaml_text import yaml_text


def kubeconfig(cluster: str, server: str, ca_pem: str, user: str, certificate_pem: str, key_pem: str) -> str:
    """A kubeconfig that carries its client certificate and key; ``server`` is an https URL."""
    credentials = {"client-certificate-data": _encoded(certificate_pem), "client-key-data": _encoded(key_pem)}
    return _document(cluster, server, {"certificate-authority-data": _encoded(ca_pem)}, user, credentials)


def rotating_kubeconfig(cluster: str, server: str, ca_file: str, user: str, pair_file: str) -> str:
    """A kubeconfig that names files: the kubelet replaces the pair when it rotates its certificate. Holds no secret."""
    credentials = {"client-certificate": pair_file, "client-key": pair_file}
    return _document(cluster, server, {"certificate-authority": ca_file}, user, credentials)


def _document(cluster: str, server: str, trust: dict[str, str], user: str, credentials: dict[str, str]) -> str:
    context = f"{user}@{cluster}"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": {**trust, "server": server}}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": context, "context": {"cluster": cluster, "user": user}}],
        "current-context": context,
    }
    return yaml_text(document)


def _encoded(pem: str) -> str:
    return base64.b64encode(pem.encode()).decode()
