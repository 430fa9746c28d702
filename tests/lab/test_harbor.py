"""Harbor on two hubs: the fault that this project was born from, and what users notice of changes and losses.

Runs on stack ``dev``, in the order of this file.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab import hosts, stack, stores, toolchain
from tests.lab import by_hand
from tests.lab.commands import ops
from tests.lab.harbor_clients import (
    ADMIN,
    NAME,
    REFUSED,
    Logins,
    addresses,
    alternating_logins,
    ask,
    client,
    login,
    mint,
    robot,
    use,
)
from tests.lab.harbor_traffic import Traffic
from tests.lab.leaks import Secrets, of_deployment
from tests.lab.process_watch import ProcessWatch
from tests.lab.program import DEV
from tests.waiting import eventually

HUBS = {name: hosts.ADDRESSES[name] for name in hosts.HUBS}
LOGINS, CLIENTS = 2000, 4
LAYERS, LAYER_BYTES = 4, 50 * 1024 * 1024
CRANE = "/usr/local/bin/crane"
KEYS = ("tokenKey", "certificate", "registryCredential", "httpSecret", "csrfKey")
LOGS = "cat $(find /var/lib/evenkeel/harbor/log -type f)"
ROTATED = {"generations": dict.fromkeys(KEYS, 2)}

pytestmark = [pytest.mark.lab, pytest.mark.long]


@pytest.fixture(scope="module", autouse=True)
def dev_as_before() -> Iterator[None]:
    """Other modules find the stack as ``make up`` left it."""
    yield
    DEV.up().ok()


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Harbor's authority, as the stack's output has it."""
    path = tmp_path_factory.mktemp("harbor") / "ca.crt"
    path.write_text(DEV.outputs()["harborCa"])
    return path


@pytest.fixture(scope="module")
def sources() -> Iterator[list[str]]:
    """Addresses that clients come from."""
    with addresses(CLIENTS) as made:
        yield made


def test_two_thousand_logins_alternating_between_hubs_meet_no_401(ca: Path, sources: list[str]) -> None:
    """Two hubs with keys of their own answered ``docker login`` with 401 at random."""
    assert alternating_logins(ca, sources, list(HUBS.values()), LOGINS) == [200] * LOGINS


def test_logins_through_the_url_succeed_for_clients_at_many_addresses(ca: Path, sources: list[str]) -> None:
    for source in sources:
        with client(ca, source) as session:
            assert login(session, hosts.VIP) == 200


def test_a_pushed_image_of_200_mb_is_pulled_through_the_other_hub(ca: Path) -> None:
    """By a real client on a node of the cluster, which finds Harbor by its name; its layers are mounted across too."""
    node, (first, second) = "huashan", HUBS.values()
    hosts.copy(node, toolchain.binary("crane", "crane"), CRANE)
    hosts.copy(node, ca, "/var/tmp/harbor-ca.crt")
    script = PUSH_AND_PULL.format(hubs=f"{NAME} {first} {second}", first=first, second=second)
    done = hosts.run(node, ["sh", "-c", script], stdin=f"{stores.ADMIN_PASSWORD}\n", check=True)
    one, other = done.stdout.split()
    assert one == other


def test_the_cluster_pulls_with_the_pull_secret_of_a_robot(ca: Path) -> None:
    """The image of the test before, by containerd, which trusts Harbor's authority and logs in as the stack's robot."""
    words = [
        "ctr",
        "-n",
        "k8s.io",
        "images",
        "pull",
        "--hosts-dir=/etc/containerd/certs.d",
        "--user",
        ":".join(robot()),
    ]
    hosts.run("huashan", [*words, f"{NAME}/library/copy:1"], check=True)


def test_a_hub_that_stops_is_missed_by_nobody_and_serves_again_by_itself(ca: Path, sources: list[str]) -> None:
    """Clients of the lost hub may meet a refused connection until the load balancers know; none meets a 401."""
    logins = Logins(ca, sources)
    try:
        hosts.kill("hub2")
        eventually(lambda: verdict("hub2") == "down", 10, "the load balancers know that hub2 is gone")
        known = len(logins.failed)
        eventually(lambda: len(logins.codes) > 50 + known, 30, "logins go on")
        assert len(logins.failed) == known
        hosts.start("hub2")
        eventually(lambda: verdict("hub2") == "up", 90, "hub2 serves again")
    finally:
        hosts.start("hub2")
        logins.stop()
    assert REFUSED not in logins.codes


def test_a_second_up_changes_nothing() -> None:
    assert DEV.steps() == []


@pytest.mark.parametrize("renewed", [["tokenKey"], ["certificate", "registryCredential", "httpSecret", "csrfKey"]])
def test_secrets_are_renewed_in_one_up_and_nobody_fails(ca: Path, sources: list[str], renewed: list[str]) -> None:
    """Two generations of a token key don't overlap: a client with an earlier token meets one 401. An upload that is
    under way ends on the hub where it began, whose secret it bears."""
    traffic = Traffic(ca, sources)
    try:
        DEV.up({"harbor": {"generations": dict.fromkeys(renewed, 2)}}).ok()
    finally:
        traffic.stop()
    print(traffic.counts, traffic.most_refused)
    assert traffic.failed == []
    assert traffic.most_refused <= 1
    assert all(count > 10 for count in traffic.counts.values()), traffic.counts


def test_hubs_that_see_different_storage_are_found_by_the_probe() -> None:
    """Each has a registry that works, once it has started anew, and no image of the other's. Hubs with other token keys
    refuse each other's tokens before they look."""
    with by_hand.storage_of_its_own("hub2"):
        told = "or their storage does"
        eventually(lambda: told in " ".join(probe().stdout.split()), 60, f"the probe says: {told}")


def test_a_hub_with_a_key_of_its_own_is_found_by_the_probe_though_harbor_says_that_all_is_well(ca: Path) -> None:
    """This is the fault that the project was born from. The key stays there until ``mended``."""
    by_hand.put("hub2", by_hand.TOKEN_KEY, by_hand.token_key())
    first, second = HUBS.values()
    with client(ca) as session:
        assert {use(session, second, mint(session, first)) for _ in range(20)} == {REFUSED}
        assert ask(session, second, "/api/v2.0/health").json()["status"] == "healthy"
    found = probe()
    assert found.returncode != 0
    assert "the token keys differ" in " ".join(found.stdout.split())


@dataclass(frozen=True)
class Mended:
    """A hub on which everything differed: what the probe said of it, and what the ``up`` that mended it left behind,
    a file for each thing that a person may see."""

    found: str
    traces: Path


@pytest.fixture(scope="module")
def mended(tmp_path_factory: pytest.TempPathFactory) -> Mended:
    """Somebody changes all by hand on hub2 and a careful user, who wants to see everything, runs ``up``."""
    traces = tmp_path_factory.mktemp("traces")
    by_hand.change_everything("hub2")
    found = " ".join(probe().stdout.split())
    changes = {"repair": "after-the-changes", "harbor": ROTATED}
    (traces / "preview").write_text(DEV.preview(changes, ["--diff"]).ok().text)
    with ProcessWatch() as watch:
        (traces / "up").write_text(DEV.up(changes, ["--debug", "--logtostderr", "--logflow", "-v=8"]).ok().text)
    watch.write(traces / "arguments")
    (traces / "state").write_text(DEV.state())
    for hub in HUBS:
        journal = hosts.run(hub, "journalctl --no-pager --output=export", check=True).stdout
        (traces / f"journal-{hub}").write_text(journal)
        (traces / f"logs-{hub}").write_text(hosts.run(hub, LOGS, check=True).stdout)
        for container in hosts.run(hub, ["docker", "ps", "--format={{.Names}}"], check=True).stdout.split():
            inspected = hosts.run(hub, ["docker", "inspect", container], check=True).stdout
            (traces / f"inspect-{container}-{hub}").write_text(inspected)
    return Mended(found, traces)


def test_each_thing_that_differs_on_a_hub_is_found_by_the_probe(mended: Mended) -> None:
    """Each row of what must be equal on all hubs."""
    for what in by_hand.EVERYTHING:
        assert f"its {what} is not what the stack wants" in mended.found


def test_one_up_mends_all_that_differed(mended: Mended, ca: Path) -> None:
    assert "hub2-return" in (mended.traces / "up").read_text()
    first, second = HUBS.values()
    with client(ca) as session:
        assert {use(session, second, mint(session, first)) for _ in range(20)} == {200}
    assert probe().returncode == 0


def test_no_secret_of_harbor_is_where_somebody_may_see_it(mended: Mended) -> None:
    """Arguments, logs, previews, the state, and what ``docker inspect`` shows, which pulumi-docker's log repeats."""
    secrets = of_deployment(_deployment(), Secrets())
    for name, word in stores.SECRETS.items():
        secrets.add_word(name, word)
    assert {"harbor-token-key-2", "harbor-secret-key", "harbor-registry-http", "harbor-probe"} <= secrets.names()
    assert "POSTGRESQL_HOST" in (mended.traces / "inspect-harbor-core-hub1").read_text()
    assert secrets.found(mended.traces) == []


def test_ocis_conformance_suite_finds_what_it_finds_with_harbors_own_programs(ca: Path, tmp_path: Path) -> None:
    """Its workflows of pushing and pulling. The registry that Harbor ships, distribution 2.8.3, takes a chunk that is
    out of order; it does not know sha512, nor Harbor a layer that is elsewhere. The stand-ins have no referrers."""
    off = ("SHA512", "NONDISTRIBUTABLE", "SUBJECT", "SUBJECT_LIST", "SUBJECT_MISSING")
    settings = {
        "OCI_REGISTRY": hosts.VIP,
        "OCI_REPO1": "library/conformance1",
        "OCI_REPO2": "library/conformance2",
        "OCI_USERNAME": ADMIN[0],
        "OCI_PASSWORD": ADMIN[1],
        "OCI_RESULTS_DIR": str(tmp_path),
        "OCI_API_REFERRER": "false",
        "SSL_CERT_FILE": str(ca),
        **{f"OCI_DATA_{what}": "false" for what in off},
    }
    toolchain.build(["conformance"])
    suite = str(toolchain.binary("conformance", "conformance"))
    done = subprocess.run([suite], env=settings, cwd=tmp_path, capture_output=True, text=True, check=False)
    failed = re.findall(r'msg="failed test" name="([^"]+)"', done.stderr)
    passed = re.search(r"Pass\.+: +(\d+)", done.stdout)
    assert [name for name in failed if "/chunked out-of-order" not in name] == []
    assert passed is not None, done.stderr
    assert int(passed[1]) > 450


def probe() -> "subprocess.CompletedProcess[str]":
    """``python -m ops harbor-probe``, as an operator runs it."""
    return ops("harbor-probe")


def _deployment() -> dict[str, Any]:
    shown = stack.pulumi("stack", "export", "--show-secrets", "--stack", DEV.stack).stdout
    found: dict[str, Any] = json.loads(shown)["deployment"]
    return found


def verdict(hub: str) -> str:
    """What both load balancers say of a hub, when they agree."""
    pages = [f"http://{hosts.ADDRESSES[balancer]}:8404/upstreams/harbor" for balancer in ("lb1", "lb2")]
    lines = hosts.run("hub1", ["curl", "-s", *pages]).stdout.splitlines()
    said = {word for name, word in (line.split() for line in lines) if name == hub}
    return said.pop() if len(said) == 1 else "unclear"


# Standard input is the password.
PUSH_AND_PULL = f"""\
set -eu
read -r password
export SSL_CERT_FILE=/var/tmp/harbor-ca.crt DOCKER_CONFIG=/var/tmp/harbor-clients
cd /var/tmp
for hub in {{hubs}}; do printf '%s' "$password" | {CRANE} auth login "$hub" -u admin --password-stdin; done
layers=
for number in $(seq {LAYERS}); do
    head -c {LAYER_BYTES} /dev/urandom >layer
    tar -cf "$number.tar" layer
    layers="$layers -f $number.tar"
done
{CRANE} append --oci-empty-base $layers -t {{first}}/library/large:1 >/dev/null
{CRANE} copy {{second}}/library/large:1 {{second}}/library/copy:1
{CRANE} pull {{second}}/library/copy:1 pulled.tar
{CRANE} digest {{first}}/library/copy:1
{CRANE} digest {{second}}/library/large:1
rm -f pulled.tar layer [0-9]*.tar
"""
