"""Policies about masters: how many there are, and by which names their apiservers are known."""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

import yaml

from policy.resources import Fault, Resource, flags, known, static_pods

LEAST_MASTERS = 3
SERVICE = "kubernetes.default.svc"
KUBE_PROXY = ("kubernetes:core/v1:ConfigMap", "kube-proxy", "kubeconfig.conf")


def masters_are_odd(resources: Sequence[Resource]) -> Iterator[Fault]:
    """An even number of etcd members survives no more losses than one fewer, and has one more to lose."""
    members = [resource for resource, _ in static_pods(resources, "etcd")]
    if members and len(members) % 2 == 0:
        yield f"{len(members)} masters; make them {len(members) - 1} or {len(members) + 1}", members[0].urn


def masters_survive_a_loss(resources: Sequence[Resource]) -> Iterator[Fault]:
    """Three masters or more: with fewer, the loss of one ends the cluster's API. For stacks in production."""
    members = [resource for resource, _ in static_pods(resources, "etcd")]
    if 0 < len(members) < LEAST_MASTERS:
        yield f"{len(members)} masters; make them {LEAST_MASTERS} or more", members[0].urn


def apiserver_certificates_are_complete(resources: Sequence[Resource]) -> Iterator[Fault]:
    """An apiserver's certificate names all by which somebody asks for it: host, Service, and load balancer."""
    requests = [one for one in resources if one.resource_type == "tls:index/certRequest:CertRequest"]
    requests = [one for one in requests if (known(one.props, "subject") or {}).get("commonName") == "kube-apiserver"]
    common = {"kubernetes", "kubernetes.default", SERVICE, *_balancers(resources)}
    for resource, pod in static_pods(resources, "kube-apiserver"):
        given = flags(pod)
        wanted = common | {str(ipaddress.ip_network(given["service-cluster-ip-range"])[1])}
        own = given["advertise-address"]
        named = [_names(one.props) for one in requests if own in _names(one.props)]
        if not named:
            yield f"no certificate of an apiserver names {own}, where this one answers", resource.urn
            continue
        for missing in sorted(wanted - named[0]):
            yield f"the certificate of the apiserver at {own} does not name {missing}; add it", resource.urn


def _names(request: Mapping[str, object]) -> set[str]:
    return {*(known(request, "dnsNames") or ()), *(known(request, "ipAddresses") or ())}


def _balancers(resources: Sequence[Resource]) -> Iterator[str]:
    """Where kube-proxy finds the API: the load balancer."""
    kind, name, key = KUBE_PROXY
    for resource in resources:
        if resource.resource_type == kind and (known(resource.props, "metadata") or {}).get("name") == name:
            kubeconfig = yaml.safe_load(resource.props["data"][key])
            yield str(urlsplit(kubeconfig["clusters"][0]["cluster"]["server"]).hostname)
