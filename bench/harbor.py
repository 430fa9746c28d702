"""Harbor's figures: logins, what a renewal of secrets costs clients, pulls from one hub and from two, and how long it
takes to add a Harbor.

All but the last are measured on stack ``dev``; the last on hosts of ``bench``, made for it and removed again.
"""

import json
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.ground import on_all
from bench.ready import timed
from lab import hosts, ssh
from lab.paths import CLONE
from releases import read_lock, read_release
from releases.schema import HARBOR_IMAGES
from render.harbor import NETWORK
from tests.lab.another_harbor import empty, stores_for
from tests.lab.harbor_clients import ADMIN, NAME, addresses, alternating_logins, client, mint
from tests.lab.harbor_traffic import PIECES, Client, Traffic
from tests.lab.program import DEV, spares
from tests.lab.trial import on_spares
from tests.waiting import eventually

HUBS = [hosts.ADDRESSES[name] for name in hosts.HUBS]
LOGINS, CLIENTS = 2000, 4
GENERATIONS = ("tokenKey", "certificate", "registryCredential", "httpSecret", "csrfKey")
PULL_BYTES, PULLS, PULLERS = 64 * 1024 * 1024, 4, 4

# What a Harbor is added to, and its two hubs.
MASTER, *NEW_HUBS = list(hosts.BENCH)[:3]
OURS = "benchhubs"
WELL_SECONDS = 180

# As Docker Compose does it: containers are made and started through the engine's API, the log first as all others
# write to it, and what does not wait for anything side by side.
START = """set -eu
api() { curl -sS --fail --unix-socket /var/run/docker.sock -X POST -H 'Content-Type: application/json' "$@"; }
start() {
    api --data "@$1" "http://engine/containers/create?name=$(basename "$1" .json)" >/dev/null
    api "http://engine/containers/$(basename "$1" .json)/start"
}
start /var/tmp/harbor/harbor-log.json
for file in /var/tmp/harbor/*.json; do
    [ "$file" = /var/tmp/harbor/harbor-log.json ] || start "$file" &
done
wait
"""


def measure() -> dict[str, Any]:
    """All of them."""
    with TemporaryDirectory() as folder, addresses(CLIENTS) as sources:
        ca = Path(folder, "ca.crt")
        ca.write_text(DEV.outputs()["harborCa"])
        measured = _logins(ca, sources) | _rotation(ca, sources) | _pulls(ca, sources)
    return measured | _additions()


def _logins(ca: Path, sources: Sequence[str]) -> dict[str, Any]:
    codes = alternating_logins(ca, sources, HUBS, LOGINS)
    return {"harbor_logins": len(codes), "harbor_login_failures": sum(code != 200 for code in codes)}


def _rotation(ca: Path, sources: Sequence[str]) -> dict[str, Any]:
    """All secrets at once, and back again: two rotations of each."""
    traffic = Traffic(ca, sources)
    try:
        DEV.up({"harbor": {"generations": dict.fromkeys(GENERATIONS, 2)}}).ok()
        DEV.up().ok()
    finally:
        traffic.stop()
    counts = {f"harbor_rotation_{kind}": count for kind, count in traffic.counts.items()}
    return counts | {"harbor_rotation_failures": len(traffic.failed), "harbor_rotation_errors": traffic.failed[:5]}


def _pulls(ca: Path, sources: Sequence[str]) -> dict[str, Any]:
    """The same blob by the same number of clients, from the first hub alone and from both in equal shares."""
    pusher = Client(ca, sources[0], piece_bytes=PULL_BYTES // PIECES)
    path = f"/v2/{pusher.repository}/blobs/{pusher.push()}"
    with client(ca) as session:
        scope = f"/service/token?service=harbor-registry&scope=repository:{pusher.repository}:pull"
        token = mint(session, HUBS[0], scope, ADMIN)

    def pull(hub: str) -> None:
        command = ["curl", "-q", "-sS", "--fail", "--output", "/dev/null", "--cacert", str(ca), "--config", "-"]
        command += ["--connect-to", f"::{hub}:443", f"https://{NAME}{path}"]
        for _ in range(PULLS):
            subprocess.run(command, input=f'header = "Authorization: Bearer {token}"', text=True, check=True)

    def throughput(hubs: Sequence[str]) -> float:
        with ThreadPoolExecutor(PULLERS) as pool:
            work = [hubs[number % len(hubs)] for number in range(PULLERS)]
            seconds = timed(lambda: list(pool.map(pull, work)))
        return PULLERS * PULLS * PULL_BYTES / 1e6 / seconds

    throughput(HUBS)  # the registries open their connections to the stores
    return {"harbor_pull_one_mb_s": throughput(HUBS[:1]), "harbor_pull_two_mb_s": throughput(HUBS)}


def _additions() -> dict[str, Any]:
    """A cluster runs, Docker's engine is on the hubs with Harbor's images, and its name leads there: what follows is
    timed."""
    balancer = {"address": hosts.ADDRESSES[MASTER], "port": 7443, "vip": None, "extraSans": []}
    values = {"cluster": {"cni": "none"}, "loadBalancer": balancer}
    with _hubs(), stores_for(OURS) as harbor, on_spares(OURS, {MASTER: ["master", "lb"]}, values) as trial:
        on_all([MASTER, *NEW_HUBS], f"echo {hosts.ADDRESSES[MASTER]} hub.{OURS}.lab >>/etc/hosts")
        trial.program.up().ok()
        hubs = spares(NEW_HUBS, {name: ["hub"] for name in NEW_HUBS})
        up = trial.program.up({"hosts": hubs, **harbor}).ok().seconds
        _keep_containers()
        on_all(NEW_HUBS, "docker rm -f $(docker ps -aq) >/dev/null")
        empty(OURS)
        script = timed(_start_containers)
    return {"harbor_up_seconds": up, "harbor_script_seconds": script}


@contextmanager
def _hubs() -> Iterator[None]:
    """Two hubs with the images of Harbor."""
    release = DEV.settings()["release"]
    file, lock = read_release(release["name"]), read_lock(CLONE / release["lock"], release["name"])
    pull = "\n".join(f"docker pull -q {file.image(name)}@{lock.images[name]}" for name in HARBOR_IMAGES)
    try:
        for name in NEW_HUBS:
            hosts.create(name, hub=True)
        ssh.ensure(NEW_HUBS)
        on_all(NEW_HUBS, f"set -e\n{pull}")
        yield
    finally:
        for name in NEW_HUBS:
            hosts.destroy(name)


def _keep_containers() -> None:
    """What the program made, as the engine's API takes it to make the same again."""
    for hub in NEW_HUBS:
        names = hosts.run(hub, ["docker", "ps", "--format={{.Names}}"], check=True).stdout.split()
        for one in json.loads(hosts.run(hub, ["docker", "inspect", *names], check=True).stdout):
            networks = {
                name: {"Aliases": network["Aliases"]} for name, network in one["NetworkSettings"]["Networks"].items()
            }
            host = one["HostConfig"] | {"NetworkMode": NETWORK}
            body = one["Config"] | {"HostConfig": host, "NetworkingConfig": {"EndpointsConfig": networks}}
            path = f"/var/tmp/harbor{one['Name']}.json"
            hosts.run(hub, f"mkdir -p /var/tmp/harbor && cat >{path}", stdin=json.dumps(body), check=True)


def _start_containers() -> None:
    """On both hubs side by side, until Harbor says on each that all of it is well, which ends an ``up`` as well."""
    on_all(NEW_HUBS, START)
    for hub in NEW_HUBS:
        eventually(partial(_well, hub), WELL_SECONDS, f"Harbor is well on {hub}")


def _well(hub: str) -> bool:
    health = ["curl", "-sk", "--max-time", "2", f"https://{hosts.ADDRESSES[hub]}/api/v2.0/health"]
    said = hosts.run(hub, health).stdout
    return '"healthy"' in said and "unhealthy" not in said
