"""Harbor on two hubs: the fault that this project was born from, and what users notice of changes and losses.

Runs on stack ``dev``, in the order of this file.
"""

import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from lab import engine, hosts, toolchain
from lab.paths import CLONE
from tests.lab.harbor_clients import NAME, Logins, addresses, ask, client, login, mint, use
from tests.lab.program import DEV
from tests.waiting import eventually

HUBS = {name: hosts.ADDRESSES[name] for name in hosts.HUBS}
LOGINS, CLIENTS = 2000, 4
TOKEN_KEY = "/etc/evenkeel/harbor/core/private_key.pem"
LAYERS, LAYER_BYTES = 4, 50 * 1024 * 1024
CRANE = "/usr/local/bin/crane"

pytestmark = [pytest.mark.lab, pytest.mark.calm, pytest.mark.xdist_group("dev")]


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


def test_two_thousand_logins_alternating_between_hubs_meet_no_401(ca: Path) -> None:
    """Two hubs with keys of their own answered ``docker login`` with 401 at random."""
    pairs = itertools.cycle(itertools.permutations(HUBS.values(), 2))
    with client(ca) as session:
        codes = [use(session, there, mint(session, here)) for here, there in itertools.islice(pairs, LOGINS)]
    assert codes == [200] * LOGINS


def test_logins_through_the_url_succeed_for_clients_at_many_addresses(ca: Path, sources: list[str]) -> None:
    for source in sources:
        with client(ca, source) as session:
            assert login(session, hosts.VIP) == 200


def test_a_pushed_image_of_200_mb_is_pulled_through_the_other_hub(ca: Path, tmp_path: Path) -> None:
    """By a real client on a node of the cluster, which finds Harbor by its name and trusts its authority."""
    node, (first, second) = "huashan", HUBS.values()
    hosts.copy_in(node, toolchain.binary("crane", "crane"), CRANE)
    hosts.copy_in(node, ca, "/tmp/harbor-ca.crt")
    script = f"""
        set -eu
        export SSL_CERT_FILE=/tmp/harbor-ca.crt
        cd /var/tmp
        crane auth login {NAME} -u admin --password-stdin >/dev/null 2>&1
        for host in {first} {second}; do
            printf '%s' "$PASSWORD" | crane auth login "$host" -u admin --password-stdin >/dev/null 2>&1
        done
        layers=
        for number in $(seq {LAYERS}); do
            mkdir -p layer && head -c {LAYER_BYTES} /dev/urandom >layer/$number
            tar -cf $number.tar -C layer $number && rm -r layer
            layers="$layers -f $number.tar"
        done
        crane append --oci-empty-base $layers -t {first}/library/large:1 >/dev/null
        crane copy {second}/library/large:1 {second}/library/copy:1
        crane pull {second}/library/copy:1 pulled.tar
        crane digest {first}/library/copy:1
        crane digest {second}/library/large:1
        rm -f pulled.tar [0-9]*.tar
    """
    password = DEV_PASSWORD
    words = ["sh", "-c", f"read -r PASSWORD; printf '%s' \"$PASSWORD\" | sh -c :; {script.replace('--password-stdin >/dev/null 2>&1', '--password-stdin >/dev/null', 1)}"]
    done = hosts.run(node, words, stdin=f"{password}\n{password}", check=True)
    one, other = done.stdout.split()
    assert one == other
