"""The lab's hosts: containers that run systemd and sshd, each with its own address on a private network.

Owns: the table of names and addresses, how a host runs, and everything that a test may do to one from outside: stop,
kill, freeze, cut off, empty. Does not own: the image (``lab.node``), trust between machine and hosts (``lab.ssh``), or
what the program installs on them.
"""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import node
from lab.cache import cache_root
from lab.errors import LabError
from lab.paths import CLONE, LAB
from lab.shell import output
from lab.shell import run as execute

NETWORK = "evenkeel-lab"
SUBNET = "10.77.0.0/24"
GATEWAY = "10.77.0.1"
VIP = "10.77.0.30"
LB_NAME, HUB_NAME = "api.dev.lab", "hub.dev.lab"
LABEL = "evenkeel.lab.clone"

CLUSTER = {
    "shaolin": "10.77.0.11",
    "wudang": "10.77.0.12",
    "emei": "10.77.0.13",
    "huashan": "10.77.0.21",
    "lb1": "10.77.0.31",
    "lb2": "10.77.0.32",
}
HUBS = {"hub1": "10.77.0.41", "hub2": "10.77.0.42"}
STORES = {"postgres": "10.77.0.51", "redis": "10.77.0.52"}  # servers that hubs use, and that the program does not own
MIRROR = "mirror"
MIRROR_CACHE = cache_root() / "mirror"
MIRROR_MOUNT = "/srv/mirror"
HOSTS = {MIRROR: "10.77.0.2", **CLUSTER, **HUBS, **STORES}
SPARES = {f"spare{number}": f"10.77.0.{100 + number}" for number in range(1, 20)}
BENCH = {f"bench{number}": f"10.77.0.{150 + number}" for number in range(1, 5)}  # for what `make bench` measures
ADDRESSES = {**HOSTS, **SPARES, **BENCH}

RUN_OPTIONS = [
    "--stop-signal=SIGRTMIN+3",
    "--cap-add=ALL",
    "--cap-drop=SYS_RESOURCE",
    "--device=/dev/kmsg",
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
    "--security-opt=systempaths=unconfined",
    "--tmpfs=/tmp:exec",
    "--tmpfs=/run",
    "--tmpfs=/run/lock",
    "--volume=/var",
]
# A hub as a user would hand it over: with Docker's engine, and with storage that all hubs share.
ENGINE = ["docker.socket", "docker.service"]
DOCKER_HUB = ("docker.io", "registry-1.docker.io")
STORAGE_VOLUME, STORAGE = "evenkeel-harbor", "/srv/harbor"
CGROUP = Path("/sys/fs/cgroup")
# Every systemd, kubelet and containerd of every host counts against this one limit; above it no systemd starts.
INOTIFY_LIMIT, INOTIFY_WANTED = Path("/proc/sys/fs/inotify/max_user_instances"), 1024
START_SECONDS = 60
FREEZES = 5
STOP_SECONDS = 30
BRIDGE_PORT_DISABLED, BRIDGE_PORT_FORWARDING = "0", "3"


def names(owner: Path = CLONE) -> list[str]:
    """The hosts that exist, running or not, in the table's order."""
    return _listed(owner, "--all")


def running() -> list[str]:
    """The hosts that run."""
    return _listed(CLONE)


def ensure(wanted: Iterable[str] = HOSTS) -> list[str]:
    """Creates the named hosts that do not exist and starts those that do not run; returns the created ones."""
    claim_network()
    existing, alive = names(), running()
    created = [name for name in wanted if name not in existing]
    stopped = [name for name in wanted if name in existing and name not in alive]
    with ThreadPoolExecutor() as pool:
        list(pool.map(create, created))
        list(pool.map(start, stopped))
    return created


def create(name: str, hub: bool | None = None) -> None:
    """A new host with a disk and a host key of its own; returns once its sshd answers.

    ``hub`` says whether it is to be a hub; by default its name does.
    """
    hub = name in HUBS if hub is None else hub
    _raise_inotify_limit()
    options = [f"--name={_container(name)}", f"--hostname={name}", f"--label={LABEL}={CLONE}"]
    options += [f"--network={NETWORK}", f"--ip={ADDRESSES[name]}", f"--network-alias={name}"]
    options += [f"--add-host={other}:{address}" for other, address in ADDRESSES.items() if other != name]
    options += [f"--add-host={LB_NAME}:{VIP}", f"--add-host={HUB_NAME}:{VIP}", *RUN_OPTIONS, *_machine_options()]
    if name == MIRROR:
        MIRROR_CACHE.mkdir(parents=True, exist_ok=True)
        options.append(f"--volume={MIRROR_CACHE}:{MIRROR_MOUNT}:ro")
    if hub:
        # Docker's engine looks for these although it has a mirror, and without a name server that takes it 10 s a pull.
        options += [f"--add-host={registry}:127.0.0.1" for registry in DOCKER_HUB]
        execute(["docker", "volume", "create", f"--label={LABEL}={CLONE}", STORAGE_VOLUME])
        options.append(f"--volume={STORAGE_VOLUME}:{STORAGE}")
    image = node.HUB if hub or name in STORES else node.NODE
    execute(["docker", "run", "--detach", *options, image.reference])
    _await_ssh(name)
    if hub:
        run(name, ["systemctl", "enable", "--quiet", "--now", *ENGINE], check=True)


def destroy(name: str) -> None:
    """Removes a host and its disk."""
    _remove([name])


def empty(name: str) -> None:
    """Puts a fresh host in the place of one: same name and address, nothing on its disk, another host key."""
    mounts = output(["docker", "inspect", "--format={{range .Mounts}}{{.Name}} {{end}}", _container(name)])
    destroy(name)
    create(name, hub=STORAGE_VOLUME in mounts.split())


def start(name: str) -> None:
    """Starts a host that was stopped or killed; returns once its sshd answers."""
    _raise_inotify_limit()
    execute(["docker", "start", _container(name)])
    _await_ssh(name)


def stop(name: str) -> None:
    """Shuts a host down in an orderly way."""
    execute(["docker", "stop", f"--time={STOP_SECONDS}", _container(name)])


def kill(name: str) -> None:
    """Takes a host's power away."""
    execute(["docker", "kill", _container(name)])


def pause(name: str) -> None:
    """Freezes every process of a host, its pods' included.

    Tried several times: on a busy machine runc gives up before the last process has come to a stop, and thaws them all.
    """
    for left in reversed(range(FREEZES)):
        done = execute(["docker", "pause", _container(name)], check=left == 0)
        if done.returncode == 0:
            break
    _freeze_pods(name, "FROZEN")


def unpause(name: str) -> None:
    """Lets a frozen host go on."""
    _freeze_pods(name, "THAWED")
    execute(["docker", "unpause", _container(name)])


def disconnect(name: str) -> None:
    """Drops every packet from and to a host, which notices nothing but silence: its link stays up."""
    execute(["bridge", "link", "set", "dev", _machine_side_of(name), "state", BRIDGE_PORT_DISABLED])


def connect(name: str) -> None:
    """Ends what ``disconnect`` began. A host that is started again is connected in any case."""
    execute(["bridge", "link", "set", "dev", _machine_side_of(name), "state", BRIDGE_PORT_FORWARDING])


def run(
    name: str, command: str | Sequence[str], *, stdin: str | None = None, check: bool = False, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Runs a command as root on a host, past SSH and past the network: a line for its shell, or the arguments."""
    arguments = ["sh", "-c", command] if isinstance(command, str) else list(command)
    interactive = ["--interactive"] if stdin is not None else []
    return execute(
        ["docker", "exec", *interactive, _container(name), *arguments], stdin=stdin, check=check, timeout=timeout
    )


def copy(name: str, source: Path, target: str) -> None:
    """Puts a file of this machine on a host."""
    execute(["docker", "cp", source, f"{_container(name)}:{target}"])


def claim_network() -> None:
    """Makes the lab's network, or finds that it is this clone's; refuses while another clone's lab runs.

    One that does not run, after the machine was restarted or its Docker daemon ended, gives way to this clone.
    """
    owner = network_owner()
    if owner is not None and owner != CLONE:
        if _listed(owner):
            raise LabError(f"the lab on this machine belongs to the clone {owner}: run `make down` there first")
        remove_all(owner)
        shutil.rmtree(owner / LAB.name, ignore_errors=True)  # the state of a lab that is gone
        owner = None
    if owner is None:
        options = [f"--subnet={SUBNET}", f"--gateway={GATEWAY}", f"--label={LABEL}={CLONE}"]
        execute(["docker", "network", "create", f"--opt=com.docker.network.bridge.name={NETWORK}", *options, NETWORK])


def network_owner() -> Path | None:
    """The clone whose lab runs on this machine."""
    inspected = execute(["docker", "network", "inspect", NETWORK], check=False)
    if inspected.returncode != 0:
        return None
    return Path(json.loads(inspected.stdout)[0]["Labels"].get(LABEL, "?"))


def remove_all(owner: Path = CLONE) -> None:
    """Removes every host of a clone's lab with its disk, the storage of hubs, the network, and the images in Docker."""
    _remove(names(owner))
    present = network_owner()
    if present not in (owner, None):
        return  # the images are in use there
    execute(["docker", "volume", "rm", "--force", STORAGE_VOLUME])
    if present is not None:
        execute(["docker", "network", "rm", NETWORK])
    images = output(["docker", "images", "--quiet", f"{node.REPOSITORY}/*"]).split()
    if images:
        execute(["docker", "rmi", "--force", *images])


def _remove(there: Sequence[str]) -> None:
    """Docker lets a host that it has paused go on to kill it, but knows nothing of pods: frozen ones would not die."""
    for name in there:
        _freeze_pods(name, "THAWED")
    if there:
        execute(["docker", "rm", "--force", "--volumes", *map(_container, there)])
    for name in there:
        _remove_cgroups(name)


def _listed(owner: Path, *options: str) -> list[str]:
    command = ["docker", "ps", *options, "--filter", f"label={LABEL}={owner}", "--format", "{{.Names}}"]
    found = set(output(command).split())
    return [name for name in ADDRESSES if _container(name) in found]


def _container(name: str) -> str:
    if name not in ADDRESSES:
        raise LabError(f"no host {name!r} in the lab: it has {', '.join(ADDRESSES)}")
    return f"evenkeel-{name}"


def _machine_options() -> list[str]:
    """With cgroup v1 hosts use the machine's hierarchies side by side; with v2 each has a namespace of its own.

    The folder above the hierarchies is a host's own all the same: its systemd mounts those that the machine does not.
    """
    modules = ["--volume=/lib/modules:/lib/modules:ro"] if Path("/lib/modules").is_dir() else []
    if (CGROUP / "cgroup.controllers").exists():
        return [*modules, "--cgroupns=private"]
    mounts = (line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines())
    hierarchies = [path for path, kind in mounts if kind.startswith("cgroup") and Path(path).parent == CGROUP]
    shared = [f"--volume={path}:{path}:rw" for path in hierarchies]
    return [*modules, "--cgroupns=host", f"--tmpfs={CGROUP}:mode=755,size=4m", *shared]


def _raise_inotify_limit() -> None:
    if int(INOTIFY_LIMIT.read_text()) < INOTIFY_WANTED:
        INOTIFY_LIMIT.write_text(f"{INOTIFY_WANTED}\n")


def _await_ssh(name: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _greets(ADDRESSES[name]):
        if time.monotonic() > deadline:
            log = execute(["docker", "exec", _container(name), "systemctl", "--failed"], check=False)
            raise LabError(f"host {name} does not answer on port 22 after {START_SECONDS} s:\n{log.stdout}{log.stderr}")
        time.sleep(0.1)


def _greets(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _machine_side_of(name: str) -> str:
    """The end, on this machine, of the cable to a host."""
    index = int(run(name, "cat /sys/class/net/eth0/iflink", check=True).stdout)
    for interface in Path("/sys/class/net").iterdir():
        if (interface / "ifindex").read_text().strip() == str(index):
            return interface.name
    raise LabError(f"host {name}: no interface {index} on this machine: is Docker running elsewhere?")


def _pod_groups(name: str) -> list[Path]:
    """Where pods and containers of a host are in cgroup v1: beside the host's own group, not below it."""
    return list(CGROUP.glob(f"*/lab/{name}"))


def _freeze_pods(name: str, state: str) -> None:
    for group in _pod_groups(name):
        if (group / "freezer.state").exists():
            (group / "freezer.state").write_text(state)


def _remove_cgroups(name: str) -> None:
    for group in _pod_groups(name):
        execute(["find", group, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"], check=False)
        if not any(child.is_dir() for child in group.parent.iterdir()):
            execute(["rmdir", group.parent], check=False)
