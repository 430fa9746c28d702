"""How a stack does, from what its hosts and its API said: the facts in order, and which of them are troubles.

Pure. Owns the thresholds. Does not own asking (``ops.status``), nor what the hosts tell (scripts/status.sh).
"""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509

from settings import Stack

SOON = timedelta(days=14)  # an `up` renews a certificate 30 days before its end: this one was missed
NEVER = datetime.min.replace(tzinfo=UTC)
TAKEN_OVER = 2  # lifetimes of a lease: once one is over, another takes it, not in the same moment
MOST_LAG = 1000  # raft entries: more than the moments between two hosts' answers account for
ELECTED = ("kube-controller-manager", "kube-scheduler")  # one of each leads, by a lease of its name
NOT_WELL = {"MemoryPressure": "True", "DiskPressure": "True", "PIDPressure": "True", "NetworkUnavailable": "True"}


@dataclass(frozen=True)
class Member:
    """An etcd member as it sees itself; ``lag`` is how many raft entries it has yet to apply."""

    host: str
    version: str
    leader: bool
    learner: bool
    size_bytes: int
    lag: int


@dataclass(frozen=True)
class ApiServer:
    """A master's apiserver, by its own ``/readyz``."""

    host: str
    ready: bool
    version: str


@dataclass(frozen=True)
class Upstream:
    """What a load balancer's nginx runs with: ``verdict`` is up or down."""

    balancer: str
    service: str
    name: str
    verdict: str


@dataclass(frozen=True)
class Node:
    """A node as the API has it; ``troubles`` are its conditions that are not as they should be."""

    name: str
    kubelet: str
    runtime: str
    troubles: tuple[str, ...]


@dataclass(frozen=True)
class Certificate:
    """A certificate where it lies, and its end. Of several in one file it is the one that ends first."""

    host: str
    path: str
    not_after: datetime


@dataclass
class Report:
    """Everything that ``status`` shows. ``hub_keys``: for each hub what is wrong with its keys, none if they match.

    ``leaders``: for each elected component the host where it leads, none if nobody does.
    """

    stack: str
    hosts: dict[str, str]
    nodes: list[Node] = field(default_factory=list)
    leaders: dict[str, str | None] = field(default_factory=dict)
    api_servers: list[ApiServer] = field(default_factory=list)
    etcd: list[Member] = field(default_factory=list)
    nginx: dict[str, str] = field(default_factory=dict)
    upstreams: list[Upstream] = field(default_factory=list)
    vip_holders: list[str] = field(default_factory=list)
    hub_keys: dict[str, list[str]] = field(default_factory=dict)
    certificates: list[Certificate] = field(default_factory=list)
    last_backup: str | None = None
    troubles: list[str] = field(default_factory=list)


def report(name: str, stack: Stack, said: Mapping[str, str], listed: str, now: datetime) -> Report:
    """``said``: what scripts/status.sh printed on each host that answered.

    ``listed``: kubectl's list of the nodes and of the leases in kube-system, if it did.
    """
    found = Report(name, {host: "answered" if host in said else "silent" for host in stack.hosts})
    facts = [(host, *_fact(line)) for host, text in said.items() for line in text.splitlines()]
    objects = json.loads(listed)["items"] if listed else []
    found.nodes = [_node(one) for one in objects if one["kind"] == "Node"]
    found.leaders = _leaders([one for one in objects if one["kind"] == "Lease"]) if listed else {}
    found.api_servers = [
        ApiServer(host, words[0] == "200", words[1]) for host, kind, words in facts if kind == "apiserver"
    ]
    found.etcd = _members((host, json.loads(" ".join(words))) for host, kind, words in facts if kind == "etcd")
    found.nginx = {host: words[0] for host, kind, words in facts if kind == "nginx"}
    found.upstreams = [Upstream(host, *words) for host, kind, words in facts if kind == "upstream"]
    found.vip_holders = [host for host, kind, _ in facts if kind == "vip"]
    found.hub_keys = {host: _wrong_keys(text) for host, text in said.items() if host in stack.hubs()}
    ends = [(host, words[0], _end(words[1])) for host, kind, words in facts if kind == "certificate"]
    found.certificates = _first_ends(Certificate(host, path, end) for host, path, end in ends if end)
    found.last_backup = max((words[0] for _, kind, words in facts if kind == "backup"), default=None)
    found.troubles = list(_troubles(found, stack, facts, now))
    found.troubles += [f"{host}: {path} holds no certificate that can be read" for host, path, end in ends if not end]
    return found


def _troubles(found: Report, stack: Stack, facts: list[tuple[str, str, list[str]]], now: datetime) -> Iterator[str]:
    answered = [host for host, state in found.hosts.items() if state == "answered"]
    yield from _of_nodes(found, stack)
    yield from _of_masters(found, [host for host in answered if host in stack.masters()])
    yield from _of_etcd(found, stack, facts)
    yield from (f"nobody leads as {component}" for component, host in found.leaders.items() if host is None)
    yield from (_without_services(host, words[0]) for host, kind, words in facts if kind == "unreached")
    silent = [(host, words[0]) for host, kind, words in facts if kind == "silent"]
    yield from (f"{host}: nginx's status page is silent about {service}" for host, service in silent)
    down = [one for one in found.upstreams if one.verdict != "up"]
    yield from (f"{one.balancer}: keeps {one.service} upstream {one.name} out" for one in down)
    if stack.load_balancer.vip and set(stack.load_balancers()) <= set(answered) and len(found.vip_holders) != 1:
        yield f"the virtual address is held by {', '.join(found.vip_holders) or 'nobody'}, not by one load balancer"
    yield from (f"{hub}: {why}" for hub, whys in found.hub_keys.items() for why in whys)
    for one in found.certificates:
        if one.not_after - now < SOON:
            yield f"{one.host}: {one.path} ends on {one.not_after:%Y-%m-%d}"


def _without_services(node: str, address: str) -> str:
    pod = f"pods --namespace=kube-system --selector=k8s-app=kube-proxy --field-selector=spec.nodeName={node}"
    return f"{node}: reaches no Service ({address} does not answer); look at its kube-proxy, or `kubectl delete {pod}`"


def _of_nodes(found: Report, stack: Stack) -> Iterator[str]:
    there = {node.name for node in found.nodes}
    yield from (f"{node.name}: node {', '.join(node.troubles)}" for node in found.nodes if node.troubles)
    if there:
        yield from (f"{name}: is no node of the cluster" for name in stack.nodes() if name not in there)


def _of_masters(found: Report, masters: Iterable[str]) -> Iterator[str]:
    with_etcd = {member.host for member in found.etcd}
    yield from (f"{one.host}: the apiserver is not ready" for one in found.api_servers if not one.ready)
    yield from (f"{host}: its etcd member does not answer" for host in masters if host not in with_etcd)


def _of_etcd(found: Report, stack: Stack, facts: list[tuple[str, str, list[str]]]) -> Iterator[str]:
    yield from (f"{one.host}: etcd is {one.lag} entries behind" for one in found.etcd if one.lag > MOST_LAG)
    yield from (f"{one.host}: etcd is still a learner" for one in found.etcd if one.learner)
    if found.etcd and sum(one.leader for one in found.etcd) != 1:
        yield f"etcd has {sum(one.leader for one in found.etcd)} leaders among the members that answer"
    errors = [json.loads(" ".join(words))[0]["Status"].get("errors") for _, kind, words in facts if kind == "etcd"]
    if any("NOSPACE" in error for told in errors for error in told or ()):
        yield "etcd is out of space and takes no write: see 'etcd is out of space' in docs/recover.md"
    lists = [json.loads(" ".join(words))["members"] for _, kind, words in facts if kind == "members"]
    names = {member.get("name") or "a member that never started" for members in lists for member in members}
    yield from (f"etcd: {name} is no master of the stack" for name in sorted(names - set(stack.masters())))


def _members(said: Iterable[tuple[str, Any]]) -> list[Member]:
    """etcd leaves out what is 0: the leader while there is none, and all indexes of a member that has yet to begin."""
    all_of_them = [(host, one[0]["Status"]) for host, one in said]
    newest = max((status.get("raftIndex", 0) for _, status in all_of_them), default=0)
    return [
        Member(
            host,
            status["version"],
            leader=status.get("leader") == status["header"]["member_id"],
            learner=bool(status.get("isLearner")),
            size_bytes=status.get("dbSize", 0),
            lag=newest - status.get("raftAppliedIndex", 0),
        )
        for host, status in all_of_them
    ]


def _node(body: Mapping[str, Any]) -> Node:
    conditions = {one["type"]: one["status"] for one in body["status"].get("conditions", [])}
    troubles = [] if conditions.get("Ready") == "True" else ["NotReady"]
    troubles += [kind for kind, bad in NOT_WELL.items() if conditions.get(kind) == bad]
    troubles += ["SchedulingDisabled"] if body["spec"].get("unschedulable") else []
    info = body["status"]["nodeInfo"]
    runtime = info["containerRuntimeVersion"].rpartition("/")[2]
    return Node(body["metadata"]["name"], info["kubeletVersion"], runtime, tuple(troubles))


def _leaders(leases: list[Mapping[str, Any]]) -> dict[str, str | None]:
    """A lease's age is told by the newest lease, not by the clock here, which need not agree with the hosts'."""
    specs = {one["metadata"]["name"]: one["spec"] for one in leases}
    newest = max((_renewed(spec) for spec in specs.values()), default=NEVER)
    return {component: _holder(specs.get(component, {}), newest) for component in ELECTED}


def _holder(spec: Mapping[str, Any], newest: datetime) -> str | None:
    """Who holds a lease; the holder is a host's name with something behind it."""
    overdue = newest - _renewed(spec) > TAKEN_OVER * timedelta(seconds=spec.get("leaseDurationSeconds", 0))
    return None if overdue else (spec.get("holderIdentity") or "").partition("_")[0] or None


def _renewed(spec: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(spec["renewTime"]) if "renewTime" in spec else NEVER


def _wrong_keys(printed: str) -> list[str]:
    """The lines of scripts/hub-probe.sh, behind the word ``keys``; a probe that says nothing has not looked."""
    said = [line.removeprefix("keys ") for line in printed.splitlines() if line.startswith("keys ")]
    wrong = [line.removeprefix("wrong ") for line in said if not line.startswith("ok ")]
    return wrong if said else ["its keys could not be looked at"]


def _fact(line: str) -> tuple[str, list[str]]:
    kind, *words = line.split(" ")
    return kind, words


def _first_ends(told: Iterable[Certificate]) -> list[Certificate]:
    first: dict[tuple[str, str], Certificate] = {}
    for one in sorted(told, key=lambda one: (one.not_after, one.host, one.path)):
        first.setdefault((one.host, one.path), one)
    return list(first.values())


def _end(word: str) -> datetime | None:
    """Of a certificate, in base64 as its DER or its PEM; none where it is neither."""
    try:
        form = base64.b64decode(word, validate=True)
        load = x509.load_pem_x509_certificate if form.startswith(b"-----") else x509.load_der_x509_certificate
        return load(form).not_valid_after_utc
    except ValueError:
        return None
