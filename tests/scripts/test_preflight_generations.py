"""What a preflight says of an authority that is renewed: which step may follow on what a host trusts (preflight.sh)."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import settings
from render import generations, preparation
from render.hub import CA
from render.load_balancer import API_SERVICE, ca_path
from render.parts import BALANCER_TURNS, HUB_TURNS, NODE_TURNS
from render.scripts import SCRIPTS
from tests.scripts.preflight_bench import Bench
from tests.settings import samples

KUBELET_PARTS = NODE_TURNS["kubelet"]
STEPS = [  # what the host trusts, what the stack wants, what is said of it
    ("", "1 2", ""),
    ("1 2", "2 1", ""),
    ("2 1", "2", ""),
    ("2 1", "1 2", ""),
    ("1 2", "", ""),
    ("2", "2 3", ""),
    ("", "2 1", "generation 2 shall issue, and this host trusts only 1; set it to [1, 2] and run up first"),
    ("", "2", "generation 2 shall issue, and this host trusts only 1; set it to [1, 2] and run up first"),
    ("1 2", "2", "generation 1 still issues here, and shall no longer be trusted; set it to [2, 1] and run up first"),
    ("2", "", "generation 1 shall issue, and this host trusts only 2; set it to [2, 1] and run up first"),
]


@pytest.mark.parametrize(("trusted", "wanted", "said"), STEPS)
@pytest.mark.parametrize("what", ["ca", "etcdCa", "frontProxyCa", "serviceAccount"])
def test_a_renewal_of_an_authority_leaves_out_no_step(
    bench: Bench, what: str, trusted: str, wanted: str, said: str
) -> None:
    """Whoever still shows, or still checks with, the one before would be refused by all who have gone ahead."""
    having, wanting = ([int(one) for one in words.split()] or [1] for words in (trusted, wanted))
    files = {setting: path for setting, path, *_ in generations.shown(bench.stack, bench.stack.hosts["shaolin"])}
    key = f"evenkeel:cluster.pki.generations.{what}"
    lay(bench, files[key], generations.bundle(having, ["-----BEGIN ...\n"] * len(having)))
    turn_over(bench)
    asked = f"{key} {files[key]} {' '.join(str(one) for one in wanting)}"
    done = bench.host.preflight(bench.stack, "shaolin", GENERATIONS=asked)
    told = [line for line in done.stderr.splitlines() if "evenkeel:cluster.pki" in line]
    assert told == ([f"evenkeel: shaolin: preflight: {key}: {said} (docs/rotate.md)"] if said else [])
    assert done.returncode == (1 if said else 0)


def lay(bench: Bench, path: str, text: str) -> None:
    """A file on the host."""
    place = bench.host.root / path.removeprefix("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)


def turn_over(bench: Bench, unit: str = "kubelet", parts: Sequence[str] = KUBELET_PARTS) -> None:
    """The host's kubelet, or nginx, was found well with what is staged for it."""
    for part in parts:
        (bench.host.state / "staged" / part).mkdir(parents=True)
        (bench.host.state / "staged" / part / "index").write_text(part)
    script = f". {SCRIPTS}/lib.sh; revision_of {' '.join(parts)}"
    environment = os.environ | {"EVENKEEL_STATE": str(bench.host.state), "EVENKEEL_HOST": "shaolin"}
    done = subprocess.run(["sh", "-euc", script], env=environment, capture_output=True, text=True, check=True)
    (bench.host.state / "applied").mkdir()
    (bench.host.state / "applied" / unit).write_text(done.stdout)


@pytest.mark.parametrize("ca", [[1], [1, 2], [2, 1], [2]], ids=str)
def test_a_hosts_preflight_is_told_what_the_stack_sets(tmp_path: Path, ca: list[int]) -> None:
    """Told nothing, no host would refuse a step that is left out."""
    stack = renewing(tmp_path, ca)
    words = " ".join(str(one) for one in ca)
    told = preparation.preflight_variables(stack, stack.hosts["huashan"])["GENERATIONS"]
    assert told == f"evenkeel:cluster.pki.generations.ca /etc/kubernetes/pki/ca.crt {words}"
    lines = preparation.preflight_variables(stack, stack.hosts["shaolin"])["GENERATIONS"].splitlines()
    assert {line.split()[0].rpartition(".")[2] for line in lines} == {"ca", "frontProxyCa", "etcdCa", "serviceAccount"}
    assert all(line.endswith(f" {words if 'generations.ca ' in line else '1'}") for line in lines)


def renewing(root: Path, ca: list[int]) -> settings.Stack:
    """The sample stack with these generations of Kubernetes' authority."""
    return samples.stack(root, {"cluster": samples.values()["cluster"] | {"pki": {"generations": {"ca": ca}}}})


def test_a_stack_that_leaves_out_a_step_is_refused_by_the_host_itself(bench: Bench, tmp_path: Path) -> None:
    """With all that its preflight is given, and nothing else."""
    lay(bench, "/etc/kubernetes/pki/ca.crt", generations.bundle([1], ["-----BEGIN ...\n"]))
    turn_over(bench)
    done = bench.host.preflight(replace(bench.stack, cluster=renewing(tmp_path, [2]).cluster), "shaolin")
    assert "evenkeel:cluster.pki.generations.ca: generation 2 shall issue, and this host trusts only 1" in done.stderr
    assert done.returncode == 1


@pytest.mark.parametrize("applied", ["", "of an earlier turn"])
def test_a_step_waits_until_the_one_before_has_come_to_its_end_on_every_host(bench: Bench, applied: str) -> None:
    """Its turn failed half way: the file is in place, and a member or a kubelet runs with what it read before."""
    key = "evenkeel:cluster.pki.generations.ca"
    lay(bench, "/etc/kubernetes/pki/ca.crt", generations.bundle([1, 2], ["-----BEGIN ...\n"] * 2))
    turn_over(bench)
    (bench.host.state / "applied/kubelet").write_text(applied)
    done = bench.host.preflight(bench.stack, "shaolin", GENERATIONS=f"{key} /etc/kubernetes/pki/ca.crt 2 1")
    assert done.returncode == 1
    assert f"{key}: the up that brought [1, 2] has not come to its end here; run up with that first" in done.stderr
    again = bench.host.preflight(bench.stack, "shaolin", GENERATIONS=f"{key} /etc/kubernetes/pki/ca.crt 1 2")
    assert again.returncode == 0


def test_a_host_that_trusts_nobody_yet_may_begin_anywhere(bench: Bench) -> None:
    asked = "evenkeel:cluster.pki.generations.ca /etc/kubernetes/pki/ca.crt 3 2"
    assert bench.host.preflight(bench.stack, "shaolin", GENERATIONS=asked).returncode == 0


def test_on_a_load_balancer_the_turn_is_nginxs(bench: Bench) -> None:
    key, path = "evenkeel:cluster.pki.generations.ca", ca_path(API_SERVICE)
    lay(bench, path, generations.bundle([1, 2], ["-----BEGIN ...\n"] * 2))
    asked = f"{key} {path} 2 1"
    assert bench.host.preflight(bench.stack, "lb1", GENERATIONS=asked).returncode == 1
    turn_over(bench, "nginx", BALANCER_TURNS["nginx"])
    assert bench.host.preflight(bench.stack, "lb1", GENERATIONS=asked).returncode == 0


def test_on_a_hub_the_turn_is_the_hubs(bench: Bench) -> None:
    """Its containers and its scripts trust what lies there since the turn before."""
    key = "evenkeel:harbor.generations.ca"
    lay(bench, CA, generations.bundle([1, 2], ["-----BEGIN ...\n"] * 2))
    asked = {"ROLES": "hub", "RUNS_PODS": "no", "GENERATIONS": f"{key} {CA} 2 1"}
    done = bench.host.preflight(bench.stack, "lb1", **asked)
    assert f"{key}: the up that brought [1, 2] has not come to its end here" in done.stderr
    turn_over(bench, "hub", HUB_TURNS["hub"])
    assert bench.host.preflight(bench.stack, "lb1", **asked).returncode == 0
