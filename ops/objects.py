"""The cluster's objects as a stack would write them, and how those in the cluster differ.

Owns asking a master for them, and the comparison: a field counts when the stack writes it, as in a server-side apply;
what others have added is theirs. Does not own the objects (``render.addons``).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ops import ssh
from render import addons
from render.addons import nodes
from render.addons.objects import Object, namespaced
from settings import Stack

ABSENT = "absent"
# kubectl keeps what it discovers; a question leaves nothing behind. Nor is an apiserver behind the proxy that a host's
# environment may name.
GET = """\
export NO_PROXY='*' no_proxy='*'
KUBECACHEDIR=$(mktemp -d)
export KUBECACHEDIR
trap 'rm -rf "$KUBECACHEDIR"' EXIT
kubectl --kubeconfig=/etc/kubernetes/admin.conf --request-timeout=10s get --ignore-not-found --output=json {what}
"""


@dataclass(frozen=True)
class Difference:
    """A field of an object: ``path`` within it, empty for the whole; both values as text."""

    subject: str
    path: str
    wanted: str
    found: str


def wanted(stack: Stack) -> list[Object]:
    """Everything that the stack writes into the cluster. Of imagePullSecrets only that they are there."""
    found = [body for objects in addons.by_addon(stack).values() for body in objects]
    for name, host in stack.nodes().items():
        found.append({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": nodes.labels(host)}})
    for secret in stack.harbor.pull_secrets if stack.harbor else ():
        body = namespaced("v1", "Secret", secret.namespace, secret.name)
        found.append(body | {"type": "kubernetes.io/dockerconfigjson"})
    return found


def in_cluster(stack: Stack, bodies: list[Object]) -> ssh.Answer:
    """What the API has of these objects."""
    document = json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies})
    return ask(stack, GET.format(what=f"--filename=- <<'EVENKEEL_EOF'\n{document}\nEVENKEEL_EOF"))


def ask(stack: Stack, script: str) -> ssh.Answer:
    """What the first master says that can say it: each asks its own apiserver."""
    answers = (ssh.ask(master, script) for master in stack.masters().values())
    last = next(answers)
    while last.code != 0 and (another := next(answers, None)):
        last = another
    return last


def read(printed: str) -> list[Object]:
    """kubectl's answer: a list, a single object, or nothing at all."""
    document = json.loads(printed) if printed.strip() else {"items": []}
    return list(document["items"]) if "items" in document else [document]


def differences(bodies: list[Object], live: list[Object]) -> list[Difference]:
    """What of each wanted object is not so in the cluster."""
    by_name = {subject(body): body for body in live}
    found = []
    for body in bodies:
        name = subject(body)
        if name not in by_name:
            found.append(Difference(name, "", "there", ABSENT))
        else:
            found += [Difference(name, *difference) for difference in _shortfalls(body, by_name[name], "")]
    return found


def subject(body: Object) -> str:
    """An object's kind and name, as people write it."""
    where = body["metadata"].get("namespace")
    return f"{body['kind']} {where + '/' if where else ''}{body['metadata']['name']}"


def _shortfalls(want: Any, have: Any, path: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(want, Mapping) and isinstance(have, Mapping):
        for key, value in want.items():
            if value not in ({}, [], None) or key in have:
                yield from _shortfalls(value, have.get(key), f"{path}.{key}" if path else key)
    elif isinstance(want, list) and isinstance(have, list) and (pairs := _paired(want, have)) is not None:
        for label, value, other in pairs:
            yield from _shortfalls(value, other, f"{path}[{label}]")
    elif want != have:
        yield path, _text(want), ABSENT if have is None else _text(have)


def _paired(want: list[Any], have: list[Any]) -> list[tuple[str, Any, Any]] | None:
    """Items with names belong together by them; others by their place, if there are as many."""
    if all(isinstance(item, Mapping) and "name" in item for item in want):
        named = {item.get("name"): item for item in have if isinstance(item, Mapping)}
        return [(item["name"], item, named.get(item["name"])) for item in want]
    if len(want) != len(have):
        return None
    return [(str(place), *both) for place, both in enumerate(zip(want, have, strict=True))]


def _text(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value)
