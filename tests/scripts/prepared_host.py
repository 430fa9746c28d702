"""A host for tests of the preparation: a ``BareHost`` whose systemd and containerd are stubs that say what they did.

The release's archives are small ones made here; their programs are text, but for containerd, which says whether it
would read a configuration. Owns no expectation: the tests do.
"""

import dataclasses
import gzip
import hashlib
import io
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

import settings
from render import preparation
from render.files import wrap
from tests.scripts.bare_host import SCRIPTS, BareHost
from tests.settings import samples

TOOLS = ["basename", "chmod", "cmp", "comm", "cp", "dirname", "find", "ln", "mkdir", "ls", "xargs"]
CONTAINERD = """#!/bin/sh
# Reads a configuration that does not say "broken"; VERSION
if grep -q broken "$2"; then echo "containerd: cannot read" >&2; exit 1; fi
if grep -q novel "$2"; then echo 'msg="Ignoring unknown key in TOML" key=novel plugin=x' >&2; fi
"""
SYSTEMCTL = """case $1 in is-*) exit ;; show) echo yes && exit ;; esac
echo "$*" >>"$EVENKEEL_ROOT/systemctl.log"
case "$*" in
"start containerd" | "restart containerd") : >"$EVENKEEL_ROOT/run/containerd.up" ;;
esac"""
CTR = """images=$EVENKEEL_ROOT/images.list
case "$*" in
"plugins ls") [ ! -e "$EVENKEEL_ROOT/run/containerd.up" ] || echo "io.containerd.grpc.v1 cri - ok" ;;
"-n k8s.io images ls") echo "REF TYPE DIGEST"; cat "$images" 2>/dev/null || : ;;
"-n k8s.io images pull --hosts-dir /etc/containerd/certs.d "*)
    image=${*##* }
    case $image in *"${REFUSED_IMAGE:-nothing}"*) echo "ctr: not found: $image" >&2; exit 1 ;; esac
    echo "pulled $image" >>"$EVENKEEL_ROOT/ctr.log"
    echo "$image index ${image##*@}" >>"$images" ;;
"-n k8s.io images tag --force "*) echo "$7 index ${6##*@}" >>"$images" ;;
*) echo "unknown: $*" >&2; exit 2 ;;
esac"""
SYSCTLS = {**preparation.BASE_SYSCTLS, **preparation.NODE_SYSCTLS}


def archive(files: Mapping[str, str]) -> bytes:
    """A .tar.gz of programs and, where the name is in capitals, of other files; the same bytes at any time."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text.encode()), 0o644 if name.isupper() else 0o755
            tar.addfile(entry, io.BytesIO(text.encode()))
    return gzip.compress(buffer.getvalue(), mtime=0)


def artifacts(version: str) -> dict[str, bytes]:
    """What each artifact of a release holds, every program telling the version."""
    return {
        "kubelet": f"kubelet {version}".encode(),
        "kubectl": f"kubectl {version}".encode(),
        "runc": f"runc {version}".encode(),
        "containerd": archive({"bin/containerd": CONTAINERD.replace("VERSION", version), "bin/ctr": f"ctr {version}"}),
        "cni-plugins": archive({"LICENSE": "words", "./bridge": f"bridge {version}", "./loopback": "loopback"}),
        "flannel-cni": archive({"flannel-amd64": f"flannel {version}"}),
        "etcd": archive({f"etcd-{version}/{name}": f"{name} {version}" for name in ("etcd", "etcdctl", "etcdutl")}),
    }


class PreparedHost(BareHost):
    """A host that passed the preflight of a stack."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        for name in TOOLS:
            self.real(name)
        self.stub("chown", "exit 0")
        self.stub("install", f'exec {shutil.which("install")} -T -m "$3" "$8" "$9"')  # but for the owner
        self.stub("journalctl", "echo 'level=error what containerd said'")
        self.stub("systemctl", SYSTEMCTL)
        self.stub("ctr", CTR)
        for key in SYSCTLS | preparation.BALANCER_SYSCTLS:
            self.file(f"proc/sys/{key.replace('.', '/')}", "0\n")

    @property
    def systemctl_calls(self) -> list[str]:
        """Everything that was asked of systemd."""
        log = self.root / "systemctl.log"
        return log.read_text().splitlines() if log.exists() else []

    @property
    def pulls(self) -> list[str]:
        """The images that were pulled."""
        log = self.root / "ctr.log"
        return log.read_text().splitlines() if log.exists() else []

    def cached(self, contents: Mapping[str, bytes]) -> None:
        """Puts downloads where the preflight leaves them."""
        self.cache.mkdir(parents=True, exist_ok=True)
        for content in contents.values():
            (self.cache / hashlib.sha256(content).hexdigest()).write_bytes(content)

    def prepare(self, stack: settings.Stack, name: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs the preparation of host ``name``."""
        return self.shell(preparation.prepare_body(stack, stack.hosts[name], SCRIPTS), **environment)

    def runtime_activate(self) -> subprocess.CompletedProcess[str]:
        """What the host's turn in the chain does to its container runtime."""
        here = self.root / "usr/local/lib/evenkeel"
        lines = "".join(f". {here}/{name}.sh\n" for name in ("lib", "artifacts", "activate-runtime"))
        return self.shell(f"{lines}runtime_activate")

    def shell(self, body: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs shell lines as a command on this host would."""
        with self.process(body, **environment) as process:
            stdout, stderr = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def process(self, body: str, **environment: str) -> "subprocess.Popen[str]":
        """The same, in a process group of its own and without waiting for its end."""
        script = self.bin.parent / "step.sh"
        script.write_text(wrap(body))
        with script.open() as standard_input:
            return subprocess.Popen(
                [str(self.bin / "sh"), "-s", "--", "first"],
                stdin=standard_input,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                text=True,
                env={
                    "PATH": str(self.bin),
                    "EVENKEEL_ROOT": str(self.root),
                    "EVENKEEL_STATE": str(self.state),
                    "EVENKEEL_CACHE": str(self.cache),
                    "EVENKEEL_LOCK": str(self.root / "run/lock"),
                    "LC_ALL": "C",
                    **environment,
                },
            )

    def programs(self) -> dict[str, str]:
        """What lies in the folders of programs, by path; a temporary file would show here."""
        folders = (self.root / "usr/local/bin", self.root / "opt/cni/bin")
        return {
            str(path.relative_to(self.root)): path.read_text()
            for folder in folders
            for path in sorted(folder.glob("*") if folder.exists() else [])
        } | {str(path): "left over" for folder in folders if folder.exists() for path in folder.glob(".*")}


def stack(root: Path, version: str, contents: Mapping[str, bytes], containerd: object = None) -> settings.Stack:
    """The sample stack, its release locked to these contents, with images of that version's digests."""
    cluster = {**samples.values()["cluster"], "containerd": {"config": containerd or {}}}
    sample = samples.stack(root, {"cluster": cluster})
    lock = sample.release.lock.model_copy(
        update={
            "artifacts": {
                name: {"amd64": hashlib.sha256(content).hexdigest(), "arm64": samples.sha256(name)}
                for name, content in contents.items()
            },
            "images": {name: f"sha256:{samples.sha256(name + version)}" for name in sample.release.lock.images},
        }
    )
    return dataclasses.replace(sample, release=dataclasses.replace(sample.release, lock=lock))
