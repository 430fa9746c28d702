"""Under which names the API answers with verification on, and whom each part of a host asks."""

import json
import re
import socket
import ssl
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

from lab import hosts
from render.certificates import table
from tests.lab.subject import kubectl, stack

API_PORT = 6443
CA = "/etc/kubernetes/pki/ca.crt"
# The kernel keeps 15 letters of a program's name.
OWN_PARTS = ("kubelet", "kube-controller", "kube-scheduler")

pytestmark = pytest.mark.lab


def answers(address: str, names: Iterable[str], port: int = API_PORT) -> dict[str, str]:
    """What an apiserver says to a client that looks for it under each name and takes no other certificate."""
    balancer = next(iter(stack().load_balancers()))
    trusted = ssl.create_default_context(cadata=hosts.run(balancer, "cat /var/lib/evenkeel/lb/apiserver.ca.pem").stdout)
    trusted.verify_flags |= ssl.VERIFY_X509_STRICT  # what Python does by itself from 3.13 on
    return {name: _ask(trusted, address, name, port) for name in names}


def _ask(trusted: ssl.SSLContext, address: str, name: str, port: int) -> str:
    with (
        socket.create_connection((address, port), timeout=5) as plain,
        trusted.wrap_socket(plain, server_hostname=name) as connection,
    ):
        connection.sendall(f"GET /readyz HTTP/1.0\r\nHost: {name}\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(4096), b"")).decode().splitlines()[-1]


def names_of_an_apiserver(master: str) -> list[str]:
    """Its own name and address, and what all of them answer under."""
    own = [f"kubernetes{end}" for end in ("", ".default", ".default.svc", f".default.svc.{stack().cluster.domain}")]
    own += [master, stack().hosts[master].address, stack().cluster.service_address, stack().load_balancer.address]
    own += [*stack().load_balancer.extra_sans, *stack().cluster.api_server.extra_sans]
    return sorted({*own, *(host.address for host in stack().load_balancers().values())})


def test_each_apiserver_proves_itself_under_every_name_that_clients_use() -> None:
    for master in stack().masters():
        names = names_of_an_apiserver(master)
        assert answers(stack().hosts[master].address, names) == dict.fromkeys(names, "ok")


def test_an_apiserver_does_not_pass_for_another() -> None:
    (first, second, *_) = stack().masters()
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        answers(stack().hosts[first].address, [second])


def test_the_names_tried_here_are_the_whole_table() -> None:
    for row in table(stack()):
        if row.host and row.name == f"apiserver-{row.host}":
            assert sorted([*row.dns_names, *row.ip_addresses]) == names_of_an_apiserver(row.host)


def test_each_load_balancer_and_the_virtual_address_lead_to_an_apiserver() -> None:
    balancer = stack().load_balancer
    for address in (balancer.address, *(host.address for host in stack().load_balancers().values())):
        names = [address, *balancer.extra_sans]
        assert answers(address, names, balancer.port) == dict.fromkeys(names, "ok")


def test_each_node_reaches_the_api_by_service_address_by_load_balancer_and_by_each_masters_name() -> None:
    service, balancer = stack().cluster.service_address, stack().load_balancer
    urls = [f"https://{name}:{balancer.port}/readyz" for name in (balancer.address, *balancer.extra_sans)]
    urls += [f"https://{service}/readyz"]
    urls += [f"https://{name}:{API_PORT}/readyz" for name in stack().masters()]
    urls += [f"https://kubernetes.default.svc/readyz --connect-to ::{service}:"]
    script = "".join(f"curl -sS --max-time 5 --cacert {CA} -w '\\n' {url}\n" for url in urls)
    with ThreadPoolExecutor() as pool:
        for done in pool.map(lambda node: hosts.run(node, script), stack().nodes()):
            assert (done.stdout.split(), done.stderr) == (["ok"] * len(urls), "")


def asked_by(host: str) -> dict[str, set[str]]:
    """To which addresses the programs of a host hold connections at an apiserver's or load balancer's port."""
    shown = hosts.run(host, f"ss -Htnp state established '( dport = :{API_PORT} )'", check=True).stdout
    found: dict[str, set[str]] = {}
    for peer, program in re.findall(r"(\S+):\d+ +users:\(\(\"([^\"]+)\"", shown):
        found.setdefault(program, set()).add(peer.strip("[]").removeprefix("::ffff:"))
    return found


def parts_of_the_cluster() -> list[str]:
    """Those on each node that the stack has brought: another pod network goes by the Service."""
    return ["kube-proxy", *(["flanneld"] if stack().cluster.cni == "flannel" else [])]


def test_a_masters_parts_ask_their_own_apiserver_and_the_clusters_parts_on_it_the_load_balancer() -> None:
    """A newer kubelet must never reach an older apiserver through the load balancer (kubernetes#127316)."""
    for master in stack().masters().values():
        asked = asked_by(master.name)
        own, balancer = {master.address}, {stack().load_balancer.address}
        assert {name: asked.get(name) for name in OWN_PARTS} == dict.fromkeys(OWN_PARTS, own), master.name
        shared = parts_of_the_cluster()
        assert {name: asked.get(name) for name in shared} == dict.fromkeys(shared, balancer), master.name


def test_a_workers_parts_ask_the_load_balancer() -> None:
    parts = ("kubelet", *parts_of_the_cluster())
    balancer = {stack().load_balancer.address}
    for worker in stack().workers():
        asked = asked_by(worker)
        assert {name: asked.get(name) for name in parts} == dict.fromkeys(parts, balancer), worker


def test_the_kubeconfigs_on_each_node_name_the_same_servers() -> None:
    balancer = f"https://{stack().load_balancer.address}:{stack().load_balancer.port}"
    for node in stack().nodes().values():
        own = f"https://{node.address}:{API_PORT}" if node.name in stack().masters() else balancer
        shown = hosts.run(node.name, "find /etc/kubernetes -name '*.conf' -exec sed -n 's/^ *server: //p' {} +").stdout
        assert set(shown.split()) == {own}
        assert len(shown.split()) == (5 if node.name in stack().masters() else 1)


def test_kube_proxy_is_told_to_ask_the_load_balancer() -> None:
    found = kubectl("get", "configmap", "--namespace=kube-system", "kube-proxy", "--output=json")
    kubeconfig = yaml.safe_load(json.loads(found)["data"]["kubeconfig.conf"])
    balancer = f"https://{stack().load_balancer.address}:{stack().load_balancer.port}"
    assert [one["cluster"]["server"] for one in kubeconfig["clusters"]] == [balancer]
