"""What the lab needs of the machine itself: distribution packages, root, Go.

Owns: the table of programs and the packages that bring them. Does not own: what is installed inside the hosts
(``lab/node``).
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.errors import LabError
from lab.shell import run

# Any of these files means that the package is there.
PACKAGES = {
    "docker.io": ("dockerd",),
    "containerd": ("containerd",),
    "runc": ("runc",),
    "iptables": ("iptables",),
    "iproute2": ("bridge",),
    "debootstrap": ("debootstrap",),
    "debian-archive-keyring": ("/usr/share/keyrings/debian-archive-keyring.gpg",),
    "openssh-client": ("ssh-keygen",),
    "gcc": ("gcc",),
    "libc6-dev": ("/usr/include/stdio.h",),
    "pkg-config": ("pkg-config",),
    "libseccomp-dev": ("/usr/include/seccomp.h",),
    # What the tests of scripts/ run for real.
    "shellcheck": ("shellcheck",),
    "nginx-light": ("nginx",),
    "libnginx-mod-stream": ("/usr/lib/nginx/modules/ngx_stream_module.so",),
    "openssl": ("openssl",),
    "curl": ("curl",),
    "sudo": ("visudo",),
    # What the test of `ops report` looks at its pages with.
    "chromium": ("chromium",),
    "fonts-dejavu-core": ("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",),
    # What the tests of the stand-ins for Harbor keep their data in.
    "postgresql": ("pg_createcluster", "psql"),
    "redis-server": ("redis-server", "redis-cli"),
}
POLICY = Path("/usr/sbin/policy-rc.d")  # what Debian's packages ask before they start a service
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def missing() -> list[str]:
    """The packages of the table of which nothing is found on this machine."""
    return [package for package, signs in PACKAGES.items() if not all(_there(sign) for sign in signs)]


def ensure(say: Callable[[str], None]) -> None:
    """Checks root and Go, and installs the packages that are missing."""
    if os.geteuid() != 0:
        raise LabError("the lab starts hosts and mounts file systems: run it as root (sudo -E make up)")
    install(say)


def install(say: Callable[[str], None]) -> None:
    """Checks Go, and installs the packages that are missing: that alone needs root."""
    if shutil.which("go") is None:
        raise LabError("no `go` on PATH: install Go 1.26 or newer; the lab builds its programs from Go modules")
    wanted = missing()
    if not wanted:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise LabError(f"not found on this machine: {', '.join(wanted)} (names of Debian packages); install them first")
    say(f"installing {', '.join(wanted)}")
    env = {"DEBIAN_FRONTEND": "noninteractive", "PATH": f"{os.environ['PATH']}:{SYSTEM_PATH}"}
    run(["apt-get", "update", "-qq"], env=env)
    with _no_services():
        run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *wanted], env=env)


@contextmanager
def _no_services() -> Iterator[None]:
    """No package starts its service: nginx would take this machine's port 80, dockerd the lab's place."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def _there(sign: str) -> bool:
    if sign.startswith("/"):
        return Path(sign).exists()
    return shutil.which(sign) is not None or shutil.which(sign, path=SYSTEM_PATH) is not None
