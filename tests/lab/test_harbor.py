"""Harbor on two hubs: the fault that this project was born from, and what users notice of changes and losses.

Runs on stack ``dev``, in the order of this file.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import engine, hosts, stores, toolchain
from lab.paths import CLONE
from tests.lab import by_hand
from tests.lab.harbor_clients import (
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
from tests.lab.program import DEV
from tests.waiting import eventually

HUBS = {name: hosts.ADDRESSES[name] for name in hosts.HUBS}
LOGINS, CLIENTS = 2000, 4
LAYERS, LAYER_BYTES = 4, 50 * 1024 * 1024
CRANE = "/usr/local/bin/crane"
KEYS = ("tokenKey", "certificate", "registryCredential", "httpSecret", "csrfKey")
ROTATED = {"generations": dict.fromkeys(KEYS, 2)}

pytestmark = [pytest.mark.lab, pytest.mark.calm, pytest.mark.xdist_group("dev")]


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


def test_a_hub_with_a_key_of_its_own_is_found_by_the_probe_though_harbor_says_that_all_is_well(ca: Path) -> None:
    """This is the fault that the project was born from."""
    by_hand.put("hub2", by_hand.TOKEN_KEY, by_hand.token_key())
    first, second = HUBS.values()
    with client(ca) as session:
        assert {use(session, second, mint(session, first)) for _ in range(20)} == {REFUSED}
        assert ask(session, second, "/api/v2.0/health").json()["status"] == "healthy"
    found = probe()
    assert found.returncode != 0
    assert "the token keys differ" in " ".join(found.stdout.split())


def test_hubs_that_see_different_storage_are_found_by_the_probe() -> None:
    """Each has a registry that works, and no image of the other's."""
    with by_hand.storage_of_its_own("hub2"):
        found = probe()
    assert "or their storage does" in " ".join(found.stdout.split())


def test_whatever_differs_on_a_hub_is_found_by_the_probe_and_mended_by_one_up(ca: Path) -> None:
    """Each row of what must be equal on all hubs, changed by hand on one of them; the token key differs as well."""
    by_hand.change_everything("hub2")
    said = " ".join(probe().stdout.split())
    for what in by_hand.EVERYTHING:
        assert f"its {what} is not what the stack wants" in said, said
    DEV.up({"repair": "after-the-changes", "harbor": ROTATED}).ok()
    first, second = HUBS.values()
    with client(ca) as session:
        assert {use(session, second, mint(session, first)) for _ in range(20)} == {200}
    assert probe().returncode == 0


def probe() -> "subprocess.CompletedProcess[str]":
    """``python -m ops harbor-probe``, as an operator runs it."""
    command = [sys.executable, "-m", "ops", "harbor-probe", "--stack", DEV.stack]
    wide = {**engine.environment(), "COLUMNS": "300"}
    return subprocess.run(command, cwd=CLONE, env=wide, capture_output=True, text=True, check=False)


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
