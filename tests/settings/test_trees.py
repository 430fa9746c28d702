"""The few fields of the trees that users fill freely which are read here are of the kind that they are read as."""

from pathlib import Path

import pytest

from tests.settings import samples

TAINT = {"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}
KINDS: list[tuple[str, dict[str, object], str]] = [
    ("kubelet", {"registerWithTaints": ["dedicated=gpu:NoSchedule"]}, "[...]: is not a list of taints; write it like"),
    ("kubelet", {"registerWithTaints": [{"effect": "NoSchedule"}]}, "[...]: is not a list of taints"),
    ("kubelet", {"registerWithTaints": [TAINT, {"key": "dedicated"}]}, "[...]: is not a list of taints"),
    ("kubelet", {"registerWithTaints": TAINT}, "{...}: is not a list of taints"),
    ("kubelet", {"registerWithTaints": None}, "null: is not a list of taints"),
    ("kubelet", {"resolvConf": 5}, "5: is not text; put it in quotes, or leave it out"),
    ("kubelet", {"cgroupDriver": ["systemd"]}, "[...]: is not text"),
    ("kubelet", {"failSwapOn": "false"}, "false: is neither true nor false; write true or false without quotes"),
    ("kubelet", {"failCgroupV1": 0}, "0: is neither true nor false"),
    ("kubelet", {"maxPods": "150"}, "150: is not a number; write a whole number without quotes"),
    ("kubelet", {"maxPods": True}, "True: is not a number"),
    ("kubeProxy", {"metricsBindAddress": 10249}, "10249: is not an address and a port; write it like 127.0.0.1:10249"),
    ("kubeProxy", {"metricsBindAddress": None}, "null: is not an address and a port"),
    ("kubeProxy", {"healthzBindAddress": "10.0.0.1:abc"}, "10.0.0.1:abc: is not an address and a port; write it like"),
    ("kubeProxy", {"healthzBindAddress": "0.0.0.0:65536"}, "0.0.0.0:65536: is not an address and a port"),
    ("kubeProxy", {"healthzBindAddress": "10.0.0.300:10256"}, "10.0.0.300:10256: is not an address and a port"),
    ("kubeProxy", {"mode": ["nftables"]}, "[...]: is not text"),
]


@pytest.mark.parametrize(("section", "config", "start"), KINDS)
def test_a_field_that_is_read_here_is_of_the_kind_that_it_is_read_as(
    root: Path, section: str, config: dict[str, object], start: str
) -> None:
    """They ended in a traceback of whatever read them."""
    (line,) = samples.refusals(root, samples.changed({f"cluster.{section}.config": config}))
    assert line.startswith(f"evenkeel:cluster.{section}.config.{[*config][-1]}: {start}")
    if section == "kubelet":
        (line,) = samples.refusals(root, samples.changed({"hosts.emei.kubelet": {"config": config}}))
        assert line.startswith(f"evenkeel:hosts.emei.kubelet.config.{[*config][-1]}: {start}")


def test_nothing_in_containerds_tree_is_named_wherever_it_stands(root: Path) -> None:
    collector = {"io.containerd.gc.v1.scheduler": {"delays": ["1s", None]}}
    config = {"debug": None, "plugins": collector, "imports": ["/etc/containerd/more.toml"]}
    assert samples.refusals(root, samples.changed({"cluster.containerd.config": config})) == [
        f"evenkeel:cluster.containerd.config.{path}: null: is nothing, for which TOML has no form; "
        "leave the key out to keep containerd's default"
        for path in ("debug", "plugins.io.containerd.gc.v1.scheduler.delays.1")
    ]


def test_fields_of_their_kind_are_taken(root: Path) -> None:
    kubelet = {"registerWithTaints": [TAINT], "resolvConf": "", "maxPods": 0, "failSwapOn": False}
    proxy = {"metricsBindAddress": "[::1]:10249", "healthzBindAddress": "127.0.0.1", "mode": "nftables"}
    assert (
        samples.refusals(root, samples.changed({"cluster.kubelet.config": kubelet, "cluster.kubeProxy.config": proxy}))
        == []
    )
