"""Changes that restart apiservers, etcd members and kubelets of a cluster, under a load that notices everything.

The tests are one story, since every roll costs a minute: changed settings of apiserver, etcd and kubelet; a flag that
the apiserver refuses, and back; controllers that change and change back; the way back to what the stack's file says,
with a load balancer away.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab import hosts
from render.static_pods import MANIFESTS
from tests.lab import leases, subject
from tests.lab.program import Load, Run
from tests.lab.readiness import Readiness, ready
from tests.lab.recovery import holder
from tests.lab.subject import kubectl
from tests.waiting import eventually

STATUS_PAGE = "8404/upstreams/apiserver"
APISERVER = "kube-apiserver"

CHANGED = {
    "cluster": {
        "apiServer": {"extraArgs": {"v": "1"}},
        "etcd": {"extraArgs": {"max-snapshots": "6"}},
        "kubelet": {"config": {"maxPods": 111}},
    }
}
REFUSED_FLAG = {"cluster": CHANGED["cluster"] | {"apiServer": {"extraArgs": {"v": "1", "event-ttl": "nonsense"}}}}
CONTROLLERS = ("kube-controller-manager", "kube-scheduler")
MORE_SAID = {name: {"extraArgs": {"v": "1"}} for name in ("controllerManager", "scheduler")}

pytestmark = [pytest.mark.lab, pytest.mark.alone]


@pytest.fixture(scope="module", autouse=True)
def _as_it_was() -> Iterator[None]:
    """Starts from what the stack's file says and leaves that behind, whatever a test broke."""
    subject.program().up().ok()
    await_admitted()
    yield
    for name in subject.balancers():
        hosts.connect(name)
    subject.program().up().ok()
    await_admitted()
    assert subject.program().steps() == []
    kubectl("wait", "node", "--all", "--for=condition=Ready", "--timeout=30s")


def admitted(balancer: str) -> set[str]:
    """The masters to which a load balancer sends new connections."""
    page = hosts.run(balancer, f"curl -fs --max-time 2 http://{hosts.ADDRESSES[balancer]}:{STATUS_PAGE}").stdout
    return {line.split()[0] for line in page.splitlines() if line.endswith(" up")}


def await_admitted() -> None:
    """Waits until the load balancers take every master for ready."""
    masters, balancers = set(subject.masters()), subject.balancers()
    eventually(lambda: all(admitted(one) == masters for one in balancers), 30, "every master is admitted")


@contextmanager
def nobody_notices() -> Iterator[Readiness]:
    """A running load that misses nothing, whichever apiservers leave meanwhile, as long as they do so one at a time."""
    load = Load.start(kubeconfig=subject.kubeconfig())
    try:
        with Readiness(subject.masters()) as readiness:
            yield readiness
    finally:
        reports = load.stop()
    for kind, report in reports.items():
        assert report["failures"] == 0, f"{kind}: {report['errors']}"
        assert report["lost_writes"] == 0, kind
        assert report["requests"] > 100, kind
    assert readiness.together() == [], "two apiservers were away at once"


def pod_of(component: str, master: str) -> str:
    """What the API says that a static pod of a master runs with."""
    return kubectl(
        "-n", "kube-system", "get", "pod", f"{component}-{master}", "-o", "jsonpath={.spec.containers[0].command}"
    )


def shows(component: str, as_wanted: Callable[[str], bool]) -> None:
    """Waits until the API shows every master's pod so: the kubelet tells it a moment after the pod has started."""
    masters = subject.masters()
    eventually(
        lambda: all(as_wanted(pod_of(component, name)) for name in masters), 30, f"the API shows the new {component}"
    )


def capacities() -> set[str]:
    """How many pods each node says that it takes."""
    return set(kubectl("get", "nodes", "-o", "jsonpath={.items[*].status.capacity.pods}").split())


def apiserver_task(master: str) -> str:
    """The id of the apiserver's running container on a master."""
    named = "ctr -n k8s.io containers ls -q 'labels.\"io.kubernetes.container.name\"==kube-apiserver'"
    running = "ctr -n k8s.io tasks ls | awk '$3 == \"RUNNING\" { print $1 }'"
    return hosts.run(master, f"({named}; {running}) 2>/dev/null | sort | uniq -d", check=True).stdout.strip()


def kill_its_process(master: str) -> None:
    """What an operator does who wants an apiserver to read a file again."""
    hosts.run(master, f"ctr -n k8s.io tasks kill {apiserver_task(master)}", check=True)


def move_its_manifest_away_and_back(master: str) -> None:
    """What kubeadm's documentation tells people to do to restart a static pod."""
    manifest, aside = f"{MANIFESTS}/{APISERVER}.yaml", f"/root/{APISERVER}.yaml"
    hosts.run(master, f"mv {manifest} {aside}; sleep 15; mv {aside} {manifest}", check=True)


def test_changed_settings_of_apiserver_etcd_and_kubelet_roll_the_masters_one_at_a_time_and_nobody_notices() -> None:
    """An apiserver that stops while a load balancer still sends to it costs 11-27 requests a roll; etcd's restart takes
    its own apiserver along, and one that only knew its own member would stall for a minute."""
    with nobody_notices() as readiness:
        subject.program().up(CHANGED).ok()
    assert sorted(readiness.turns()) == sorted(subject.masters())
    shows(APISERVER, lambda command: '"--v=1"' in command)
    shows("etcd", lambda command: '"--max-snapshots=6"' in command)
    eventually(lambda: capacities() == {"111"}, 30, "every kubelet reports its new capacity")


def test_a_flag_that_the_apiserver_refuses_stops_the_roll_at_the_first_master() -> None:
    """A roll that goes on past a broken node ends with none that serves. Here nothing but an apiserver restarts."""
    with nobody_notices() as readiness:
        refused = subject.program().up(REFUSED_FLAG)
    (broken,) = readiness.turns()
    assert refused.code != 0
    assert not ready(broken)
    assert_names_the_fault(refused, broken)
    for name in set(subject.masters()) - {broken}:
        assert "event-ttl" not in hosts.run(name, f"cat {MANIFESTS}/{APISERVER}.yaml", check=True).stdout


def assert_names_the_fault(refused: Run, host: str) -> None:
    """The user reads which host, which step, the program's own last words, and what to do."""
    assert 'invalid argument "nonsense" for "--event-ttl"' in refused.text, refused.text
    said = f"evenkeel: {host}: activate {APISERVER}: it keeps ending; mend the setting that its last lines name"
    assert said in refused.text, refused.text


def test_going_back_to_the_very_value_before_mends_the_broken_master() -> None:
    """The engine keeps the inputs of the last turn that succeeded: it took going back for no change at all, and the
    master kept what it had failed with."""
    with nobody_notices():
        subject.program().up(CHANGED).ok()
    assert all(ready(name) for name in subject.masters())
    shows(APISERVER, lambda command: "event-ttl" not in command)


def test_controllers_that_change_and_change_back_at_once_wait_for_nothing_and_are_led(tmp_path: Path) -> None:
    """A leader that ends left its lease behind, and nobody led for 15 s. A pod that came back unchanged was the same
    pod to the kubelet, which let it wait for up to 5 minutes, as one that has ended too often."""
    with leases.watched(CONTROLLERS, tmp_path) as gaps:
        there = subject.program().up({"cluster": CHANGED["cluster"] | MORE_SAID}).ok()
        back = subject.program().up(CHANGED).ok()
    print(f"{there.seconds:.1f} s there, {back.seconds:.1f} s back; not led for {gaps}")
    assert back.seconds < there.seconds + 15
    assert all(gap < 12 for gap in gaps.values()), gaps


def test_a_roll_goes_on_when_a_load_balancer_is_away() -> None:
    """A master must not wait for a load balancer that cannot answer, nor count on it; the user is told."""
    away = next(name for name in subject.balancers() if name != holder())
    hosts.disconnect(away)
    try:
        with nobody_notices() as readiness:
            told = subject.program().up().ok().text
    finally:
        hosts.connect(away)
    await_admitted()
    assert sorted(readiness.turns()) == sorted(subject.masters())
    assert f"warning: no answer from load balancers {hosts.ADDRESSES[away]}:8404, so this turn" in told
    shows(APISERVER, lambda command: "--v=1" not in command)
    shows("etcd", lambda command: "max-snapshots" not in command)


@pytest.mark.parametrize(
    ("restart", "number"),
    [(kill_its_process, 1), (move_its_manifest_away_and_back, 2)],
    ids=["process killed", "manifest moved away and back"],
)
def test_an_apiserver_that_somebody_restarts_by_hand_costs_nobody_a_request(
    restart: Callable[[str], None], number: int
) -> None:
    """Who restarts it, and how, must not matter: it leaves the load balancers before it stops."""
    master = subject.masters()[number]
    with nobody_notices() as readiness:
        restart(master)
        eventually(lambda: not ready(master), 20, "it leaves")
        eventually(lambda: ready(master), 60, "it is back")
        await_admitted()
    assert readiness.turns() == [master]
