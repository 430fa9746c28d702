"""The sample cluster with everything that a command makes of it."""

import time

from pydantic import SecretStr

from ops.adopt import obstacles, plan, values
from ops.adopt.cluster import Cluster
from ops.adopt.obstacles import Case
from releases import read_release
from settings import Ssh
from settings.fields import Tree
from tests.ops.adopt import sample

SSH = Ssh(sample.MASTER, 22, "root", "ssh-ed25519 AAAA", SecretStr(""), None, "~/.ssh/id_ed25519")
RELEASE = read_release("2026.11")


def sections(cluster: Cluster) -> Tree:
    """What the command would write."""
    return values.of(cluster, plan.usual(cluster, SSH, RELEASE), SSH, "known_hosts", RELEASE.name)


def in_the_way(cluster: Cluster) -> list[str]:
    """What the command would say stands in the way."""
    found = sections(cluster)
    stack = plan.sketch(found, SSH, RELEASE)
    now = time.time()
    return obstacles.of(Case(cluster, found, stack.release, plan.usual(cluster, SSH, RELEASE), (now, now)))


def changes(cluster: Cluster) -> list[str]:
    """What the command would say that an `up` changes."""
    found = sections(cluster)
    return list(plan.changes(cluster, plan.sketch(found, SSH, RELEASE), found["adopted"]["keeps"]))
