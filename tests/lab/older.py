"""Kubernetes older than the lab's own: the oldest that a stack takes in, and the next. Programs, and the mirror's part.

Does not own a cluster of it (``tests.lab.kubeadm_cluster``), nor how programs are built and served (``lab``).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from lab import stack, toolchain
from lab.mirror import content, serve
from releases import ReleaseFile, read_release
from settings import Stack
from tests.lab.adoption import like_dev

RELEASE, NEXT = "1.33", "1.34"
ETCD = "3.5.21"  # which kubeadm 1.33.0 brings, and which keeps etcd 3.6 from following
# kubeadm's own choice, where the lab has nftables: that mode has a fault of its own before 1.36 (docs/adopt.md).
PROXY = {"kubeProxy": {"config": {"mode": "iptables"}}}


def as_kubeadm_brings_it() -> ReleaseFile:
    """The release with the etcd that its kubeadm has by itself."""
    release = read_release(RELEASE)
    return release.model_copy(update={"versions": release.versions.model_copy(update={"etcd": ETCD})})


@contextmanager
def served() -> Iterator[Stack]:
    """The lab's mirror has both for as long; yields settings for a cluster of the oldest that kubeadm makes."""
    own = read_release(stack.release_name())
    older = [read_release(RELEASE), as_kubeadm_brings_it(), read_release(NEXT)]
    toolchain.build(content.programs(*older))
    serve.ensure(content.ensure(own, print, *older))
    try:
        for name in (RELEASE, NEXT):
            stack.lock(name)
        settings = like_dev(RELEASE, PROXY)
        yield replace(settings, release=replace(settings.release, file=as_kubeadm_brings_it()))
    finally:
        serve.ensure(content.ensure(own, print))
