"""The sample cluster with everything that a command makes of it."""

import time

from pydantic import SecretStr

from ops.adopt import obstacles, plan, values
from ops.adopt.cluster import Cluster
from ops.adopt.obstacles import Case
from releases import ReleaseFile, read_release
from settings import Ssh
from settings.fields import Tree
from tests.ops.adopt import sample

SSH = Ssh(sample.MASTER, 22, "root", "ssh-ed25519 AAAA", SecretStr(""), None, "~/.ssh/id_ed25519")
RELEASE = read_release("2026.11")


def sections(cluster: Cluster, release: ReleaseFile = RELEASE) -> Tree:
    """What the command would write."""
    return values.of(cluster, plan.usual(cluster, SSH, release), SSH, "known_hosts", release.name)


def in_the_way(cluster: Cluster, release: ReleaseFile = RELEASE) -> list[str]:
    """What the command would say stands in the way."""
    found = sections(cluster, release)
    stack = plan.sketch(found, SSH, release)
    now = time.time()
    return obstacles.of(Case(cluster, found, stack.release, plan.usual(cluster, SSH, release), (now, now)))


def changes(cluster: Cluster) -> list[str]:
    """What the command would say that an `up` changes."""
    found = sections(cluster)
    return list(plan.changes(cluster, plan.sketch(found, SSH, RELEASE), found["adopted"]["keeps"]))
