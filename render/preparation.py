"""What one host is checked for and prepared with: the variables and files of scripts/preflight*.sh and prepare.sh.

Owns the limits, commands, programs and images that go with each role. Does not own its ports (``render.ports``), how
all this is checked or installed (``scripts``), containerd's configuration (``render.containerd``), or how the text
reaches the host (``components.host``).
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from releases import skew
from render import containerd, generations, kubelet, ports, silent_peers
from render.addons import flannel
from render.files import File, stage_script
from render.scripts import ON_HOST, Scripts, assignments, scripts_of
from render.static_pods import MANIFESTS
from settings import Host, Role, Stack
from settings.fields import is_ip

# In the order of their text; the last one begins. The first is for nodes that ran something before the stack came.
PREFLIGHT = ("preflight-adopted.sh", "preflight-sources.sh", "preflight.sh")
PLACE = "/var/lib/evenkeel/place"  # what scripts/retire.sh knows of the host's place in the stack
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
FIRST_WITHOUT_CGROUP_V1 = 35  # Kubernetes 1.35: the kubelet's failCgroupV1 is true by default
BINARIES = "/usr/local/bin"
CNI_BINARIES = "/opt/cni/bin"


@dataclass(frozen=True)
class Needs:
    """The least that a host of a role has (kubeadm's own limits for masters); free space is for before it is prepared.

    ``disk_mb`` is for downloads, images, containers and etcd in /var/lib, ``programs_mb`` for /usr/local.
    """

    cores: int
    memory_mb: int
    disk_mb: int
    programs_mb: int


NEEDS: dict[Role, Needs] = {
    "master": Needs(2, 1700, 4096, 700),
    "worker": Needs(1, 900, 3072, 700),
    "lb": Needs(1, 256, 256, 16),
    "hub": Needs(2, 1700, 4096, 16),
}


@dataclass(frozen=True)
class Program:
    """Where the programs of an artifact go. ``members``: names, ``name=pattern``, or ``*`` for all of an archive.

    ``group``: ``tools`` may be replaced at any time; ``runtime`` and ``kubelet`` in the host's turn.
    """

    artifact: str
    group: str
    folder: str = BINARIES
    members: tuple[str, ...] = ("*",)


NODE_PROGRAMS = (
    Program("containerd", "runtime"),
    Program("runc", "runtime", members=("runc",)),
    Program("kubelet", "kubelet", members=("kubelet",)),
    Program("kubectl", "tools", members=("kubectl",)),
    Program("cni-plugins", "tools", CNI_BINARIES),
)
FLANNEL_PROGRAM = Program("flannel-cni", "tools", CNI_BINARIES, ("flannel=flannel*",))
MASTER_PROGRAM = Program("etcd", "tools", members=("etcdctl", "etcdutl"))

# Command, and the package of Debian and of Red Hat that brings it.
COMMANDS = (
    ("awk", "mawk", "gawk"),
    ("cmp", "diffutils", "diffutils"),
    ("curl", "curl", "curl"),
    ("find", "findutils", "findutils"),
    ("flock", "util-linux", "util-linux"),
    ("getent", "libc-bin", "glibc-common"),
    ("ip", "iproute2", "iproute"),
    ("openssl", "openssl", "openssl"),
    ("ss", "iproute2", "iproute"),
    ("xargs", "findutils", "findutils"),
)
NODE_COMMANDS = (
    ("conntrack", "conntrack", "conntrack-tools"),
    ("gzip", "gzip", "gzip"),
    ("modprobe", "kmod", "kmod"),
    ("mount", "mount", "util-linux"),
    ("tar", "tar", "tar"),
)
PROXY_COMMANDS = {"nftables": ("nft", "nftables", "nftables")}
PROXY_COMMAND = ("iptables", "iptables", "iptables-nft")
BALANCER_COMMANDS = (("nginx", "nginx-light", "nginx"),)
VIP_COMMANDS = (("keepalived", "keepalived", "keepalived"),)
HUB_COMMANDS = (
    ("docker", "docker.io", "docker-ce"),
    ("nsenter", "util-linux", "util-linux"),
    ("pg_dump", "postgresql-client", "postgresql"),
    ("psql", "postgresql-client", "postgresql"),
    ("redis-cli", "redis-tools", "redis"),
    ("setpriv", "util-linux", "util-linux"),
)

MODULES = ("overlay", "br_netfilter")
BASE_SYSCTLS = {"net.ipv4.tcp_retries2": "5"}  # a connection into a black hole fails after 14 s, not after 15 minutes
# What falls silent is given up by the load balancer's kernel too, where nobody tells it to (render.silent_peers): after
# 6 s where something is on its way there, and after 8 s where an answer is awaited (4 s idle, then 4 probes).
BALANCER_SYSCTLS = {
    "net.ipv4.tcp_retries2": "4",
    "net.ipv4.tcp_keepalive_time": "4",
    "net.ipv4.tcp_keepalive_intvl": "1",
    "net.ipv4.tcp_keepalive_probes": "4",
}
NODE_SYSCTLS = {
    "net.bridge.bridge-nf-call-iptables": "1",
    "net.bridge.bridge-nf-call-ip6tables": "1",
    "net.ipv4.ip_forward": "1",
    # What the kubelet wants, and with protectKernelDefaults refuses to set itself.
    "kernel.keys.root_maxbytes": "25000000",
    "kernel.keys.root_maxkeys": "1000000",
    "kernel.panic": "10",
    "kernel.panic_on_oops": "1",
    "vm.overcommit_memory": "1",
    "vm.panic_on_oom": "0",
}


def preflight_body(stack: Stack, host: Host, scripts: Scripts) -> str:
    """The whole of the preflight's script. ``scripts``: the texts of scripts/, by file name."""
    return preflight_text(preflight_variables(stack, host), scripts)


def preflight_text(variables: Mapping[str, str], scripts: Scripts) -> str:
    """The preflight's script for these variables."""
    names = PREFLIGHT if variables["CLUSTER_CA"] else PREFLIGHT[1:]
    return scripts["lib.sh"] + assignments(variables) + "".join(scripts[name] for name in names)


def prepare_body(stack: Stack, host: Host, scripts: Scripts) -> str:
    """The whole of the preparation's script, with all files that it installs."""
    staging = f"lock\n{stage_script(parts(stack, host, scripts))}"
    return scripts["lib.sh"] + assignments(prepare_variables(stack, host)) + staging + scripts["prepare.sh"]


def preflight_variables(stack: Stack, host: Host) -> dict[str, str]:
    """What scripts/preflight.sh asks for."""
    needs = [NEEDS[role] for role in host.roles]
    configuration = kubelet.configuration(stack, host) if runs_pods(host) else {}
    version = stack.release.versions.kubelet
    downloads = [*_downloads(stack, host)]
    return {
        "EVENKEEL_HOST": host.name,
        "ADDRESS": host.address,
        "ROLES": " ".join(host.roles),
        "RUNS_PODS": "yes" if runs_pods(host) else "no",
        "POD_MODULES": flannel.BACKEND if stack.cluster.cni == "flannel" else "",
        "MIN_CORES": str(max(need.cores for need in needs)),
        "MIN_MEMORY_MB": str(max(need.memory_mb for need in needs)),
        "MIN_DISK_MB": str(max(need.disk_mb for need in needs)),
        "MIN_PROGRAMS_MB": str(max(need.programs_mb for need in needs)),
        "MACHINES": " ".join(MACHINES[name] for name in stack.release.architectures()),
        "KUBERNETES": version,
        "FOLLOWS": _lines(_follows(stack, host)),
        "KEPT": _lines(_kept(stack, host)),
        "FAIL_SWAP_ON": _flag(configuration.get("failSwapOn", True)),
        "FAIL_CGROUP_V1": _flag(configuration.get("failCgroupV1", _minor(version) >= FIRST_WITHOUT_CGROUP_V1)),
        "RESOLV_CONF": configuration.get("resolvConf", "/etc/resolv.conf"),
        "NAMES": " ".join(_names(stack, host)),
        "OWN_NAMES": " ".join([host.name, *_balancer_names(stack)]),
        "VIP_INTERFACE": _vip_interface(stack, host),
        "PORTS": _lines(ports.listening(stack, host)),
        "ENTRANCES": ports.entrances(stack, host),
        "CLUSTER_CA": _adopted_authority(stack),
        "RUNTIMES": " ".join(containerd.runtimes(stack, host)) if stack.adopted and runs_pods(host) else "",
        "GENERATIONS": _lines(generations.shown(stack, host)),
        "COMMANDS": _lines(commands(stack, host)),
        "CLOCK_URL": _clock_url(stack),
        "DOWNLOADS": _lines(downloads),
        "IMAGES": _lines(_image_probes(stack, host)),
        "DOWNLOAD_REMEDY": _download_remedy(stack),
        "LOCK_REMEDY": f"lock the release anew (python -m ops lock {stack.release.name}) if that is as it should be",
    }


def prepare_variables(stack: Stack, host: Host) -> dict[str, str]:
    """What scripts/prepare.sh asks for."""
    references = [stack.release.image(name) for name in images(stack, host)]
    return {
        "EVENKEEL_HOST": host.name,
        "ARTIFACTS": _lines(_artifacts(stack, host)),
        "IMAGES": _lines((containerd.by_digest(reference), reference.split("@")[0]) for reference in references),
    }


def parts(stack: Stack, host: Host, scripts: Scripts) -> dict[str, list[File]]:
    """The files that prepare.sh installs, or keeps for the host's turn."""
    here = {
        "scripts": [File(f"{ON_HOST}/{name}", scripts[name], mode="0755") for name in scripts_of(host)],
        "system": _system_files(stack, host),
        silent_peers.PART: silent_peers.files(stack, host),
    }
    if runs_pods(host):
        here["registries"] = containerd.registry_files(stack)
        here["runtime"] = containerd.runtime_files(stack, host)
    return here


def revision(stack: Stack, host: Host) -> str:
    """A digest over what waits for the host's turn after it was prepared: its activation runs again when it changes."""
    waiting = [line for line in _artifacts(stack, host) if line[0] != "tools"]
    files = [(file.path, file.content) for file in containerd.runtime_files(stack, host)]
    return hashlib.sha256(repr((waiting, files)).encode()).hexdigest()[:12]


def same_machine(descriptions: Mapping[str, str]) -> list[str]:
    """One warning for each machine id that several hosts share, from what each host's preflight printed."""
    hosts: dict[str, list[str]] = {}
    for name, text in descriptions.items():
        for line in text.splitlines():
            if line.startswith("machine "):
                hosts.setdefault(line, []).append(name)
    remedy = "give each its own: 'rm /etc/machine-id && systemd-machine-id-setup', then boot it again"
    return [
        f"hosts {', '.join(names)}: the same /etc/machine-id, as after cloning a disk; {remedy}"
        for names in hosts.values()
        if len(names) > 1
    ]


def runs_pods(host: Host) -> bool:
    """Whether the host has a kubelet and containerd."""
    return bool({"master", "worker"} & set(host.roles))


def trusts_harbor(stack: Stack, host: Host) -> bool:
    """Whether the host has a runtime that pulls from the stack's Harbor."""
    return stack.harbor is not None and (runs_pods(host) or "hub" in host.roles)


def programs(stack: Stack, host: Host) -> list[Program]:
    """What is installed on this host."""
    if not runs_pods(host):
        return []
    network = [FLANNEL_PROGRAM] if stack.cluster.cni == "flannel" else []
    return [*NODE_PROGRAMS, *network, *([MASTER_PROGRAM] if "master" in host.roles else [])]


def images(stack: Stack, host: Host) -> list[str]:
    """The images that pods of this host may need."""
    if not runs_pods(host):
        return []
    everywhere = ["pause", "kube-proxy", "coredns", *(["flannel"] if stack.cluster.cni == "flannel" else [])]
    control_plane = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"]
    return everywhere + (control_plane if "master" in host.roles else [])


def commands(stack: Stack, host: Host) -> list[tuple[str, str, str]]:
    """What the distribution must bring for this host's roles."""
    wanted = [*COMMANDS]
    if runs_pods(host):
        mode = stack.cluster.kube_proxy.config.get("mode", "")
        wanted += [*NODE_COMMANDS, PROXY_COMMANDS.get(mode, PROXY_COMMAND)]
    if "lb" in host.roles:
        wanted += [*BALANCER_COMMANDS, *(VIP_COMMANDS if stack.load_balancer.vip else ())]
    if "hub" in host.roles:
        wanted += HUB_COMMANDS
    return sorted(wanted)


def _system_files(stack: Stack, host: Host) -> list[File]:
    settings = BASE_SYSCTLS | (NODE_SYSCTLS if runs_pods(host) else {})
    settings |= BALANCER_SYSCTLS if "lb" in host.roles else {}
    sysctls = "".join(f"{key} = {value}\n" for key, value in settings.items())
    modules = [File("/etc/modules-load.d/evenkeel.conf", "".join(f"{module}\n" for module in MODULES))]
    trusts = "trusts harbor\n" if trusts_harbor(stack, host) else ""
    place = File(PLACE, f"name {host.name}\nroles {' '.join(host.roles)}\n{trusts}")
    return [File("/etc/sysctl.d/90-evenkeel.conf", sysctls), place, *(modules if runs_pods(host) else [])]


def _artifacts(stack: Stack, host: Host) -> Iterable[tuple[str, ...]]:
    for program in programs(stack, host):
        for architecture in stack.release.architectures():
            artifact = stack.release.artifact(program.artifact, architecture)
            form = "tar" if artifact.url.endswith((".tgz", ".tar.gz")) else "plain"
            version = stack.release.versions.of_artifact(artifact.name)
            where = (artifact.name, artifact.sha256, form, program.folder, *program.members)
            yield (program.group, MACHINES[architecture], version, *where)


def _follows(stack: Stack, host: Host) -> Iterable[tuple[str, ...]]:
    """What the host may run before it becomes this release, where it runs anything."""
    versions = stack.release.versions
    wanted = {"kubelet": versions.kubelet} if runs_pods(host) else {}
    wanted |= {"kube-apiserver": versions.kubernetes, "etcd": versions.etcd} if "master" in host.roles else {}
    for program, version in wanted.items():
        yield program, version, *(skew.text(line) for line in skew.may_become(versions)[program])


def _kept(stack: Stack, host: Host) -> Iterable[tuple[str, ...]]:
    """What must stay as long as the cluster lives, and where a node has it."""
    cluster = stack.cluster
    if runs_pods(host):
        yield "evenkeel:cluster.domain", kubelet.CONFIG, "clusterDomain:", cluster.domain
    if "master" in host.roles:
        ranges = {
            "serviceCidr": ("kube-apiserver", "--service-cluster-ip-range=", cluster.service_cidr),
            "podCidr": ("kube-controller-manager", "--cluster-cidr=", cluster.pod_cidr),
        }
        for name, (program, flag, value) in ranges.items():
            yield f"evenkeel:cluster.{name}", f"{MANIFESTS}/{program}.yaml", flag, str(value)


def _downloads(stack: Stack, host: Host) -> Iterable[tuple[str, ...]]:
    for program in programs(stack, host):
        for architecture in stack.release.architectures():
            artifact = stack.release.artifact(program.artifact, architecture)
            yield MACHINES[architecture], artifact.name, artifact.sha256, artifact.url


def _image_probes(stack: Stack, host: Host) -> Iterable[tuple[str, str]]:
    """Where the mirror, if there is one, says whether it has an image. A publisher's registry wants a token first."""
    mirrors = stack.release.image_mirrors()
    for reference in (stack.release.image(name) for name in images(stack, host)):
        image = containerd.by_digest(reference)
        registry, path = image.split("/", 1)
        repository, digest = path.split("@")
        if mirror := mirrors[registry]:
            yield image, f"{containerd.mirror_url(mirror, registry)}/{repository}/manifests/{digest}"


def _names(stack: Stack, host: Host) -> list[str]:
    """The names of the servers that downloads and images come from."""
    if not runs_pods(host):
        return []
    urls = [artifact[-1] for artifact in _downloads(stack, host)]
    urls += [mirror or f"https://{registry}" for registry, mirror in stack.release.image_mirrors().items()]
    return _only_names(urlsplit(url).hostname or "" for url in urls)


def _balancer_names(stack: Stack) -> list[str]:
    harbor = [stack.harbor.host] if stack.harbor else []
    return _only_names([stack.load_balancer.address, *stack.load_balancer.extra_sans, *harbor])


def _only_names(addresses: Iterable[str]) -> list[str]:
    return sorted({address for address in addresses if not is_ip(address) and not address.startswith("*")})


def _adopted_authority(stack: Stack) -> str:
    """Nothing once it is no longer trusted: nodes that have it alone are not the cluster's any more."""
    brought = stack.adopted.authorities.get("ca") if stack.adopted else None
    return brought.fingerprint if brought else ""


def _vip_interface(stack: Stack, host: Host) -> str:
    vip = stack.load_balancer.vip
    return vip.interface if vip and "lb" in host.roles else ""


def _clock_url(stack: Stack) -> str:
    """The same for every host, so that all are held against one clock."""
    return stack.release.artifact("kubelet", stack.release.architectures()[0]).url


def _download_remedy(stack: Stack) -> str:
    if stack.release.mirror:
        return "put it there, or correct evenkeel:release.mirror"
    return "see to this host's way there (proxy, firewall), or set evenkeel:release.mirror"


def _minor(version: str) -> int:
    return int(version.split(".")[1])


def _flag(value: object) -> str:
    return "true" if value else "false"


def _lines(rows: Iterable[Iterable[str]]) -> str:
    return "\n".join(" ".join(row) for row in rows)
