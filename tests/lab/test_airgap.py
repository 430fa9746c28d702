"""One ``up`` as a guarded site has it, done as docs/airgap.md and docs/least-privilege.md say.

A host that reaches nothing but a mirror, filled as a folder and served there, and that lets nobody in but an ordinary
user with the page's sudoers file, whose key an SSH agent holds, by way of a bastion that lets through to it alone.
Its environment names a proxy for everything but the mirror, as that of many such hosts does, and the proxy answers
nobody: an ``up`` that asked an apiserver by it failed.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import engine, hosts, ssh, stack, toolchain
from lab.mirror import content, serve
from lab.paths import CLONE, PRIVATE_KEY, PUBLIC_KEY
from tests.lab.trial import Trial, fresh, on_spares
from tests.pages import block, command

HOST, GATE = "spare16", "spare17"
ADDRESS, GATE_ADDRESS = hosts.ADDRESSES[HOST], hosts.ADDRESSES[GATE]
MIRROR = {"artifacts": f"http://{GATE_ADDRESS}:8080", "images": f"http://{GATE_ADDRESS}:5000"}
PROXY = "http://192.0.2.1:3128"
ENVIRONMENT = f"http_proxy={PROXY}\nhttps_proxy={PROXY}\nHTTPS_PROXY={PROXY}\nno_proxy={GATE_ADDRESS}\n"
# What sudo keeps of the proxy's variables, and the path that Red Hat's gives: the stack's programs are on none of it.
SUDO = """Defaults env_keep += "http_proxy https_proxy HTTPS_PROXY no_proxy"
Defaults secure_path = /sbin:/bin:/usr/sbin:/usr/bin
"""
NEW_USER = f"""set -eu
{command("least-privilege", "useradd", {"deploy": '"$1"'})}
install -d -m 700 -o "$1" "/home/$1/.ssh"
cat >"/home/$1/.ssh/authorized_keys"
chown "$1" "/home/$1/.ssh/authorized_keys"
"""

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("airgap")]


@pytest.fixture(scope="module")
def agent() -> Iterator[None]:
    """Holds the key; the stack has none."""
    said = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True).stdout
    own = dict(line.split(";")[0].split("=") for line in said.splitlines() if "=" in line)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in own.items():
            patch.setenv(name, value)
        try:
            subprocess.run(["ssh-add", "-q", PRIVATE_KEY], check=True)
            yield
        finally:
            subprocess.run(["ssh-agent", "-k"], capture_output=True, check=True)


@pytest.fixture(scope="module")
def trial(agent: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """A master that is its own load balancer; no ``up`` yet."""
    values = {
        "cluster": {"cni": "none"},
        "ssh": {
            "user": "deploy",
            "privateKeyFile": None,
            "agent": True,
            "bastion": {"host": GATE_ADDRESS, "user": "through"},
        },
        "loadBalancer": {"address": ADDRESS, "port": 7443, "vip": None, "extraSans": []},
        "release": {"mirror": MIRROR},
    }
    with on_spares("airgap", {HOST: ["master", "lb"]}, values) as made:
        fresh(GATE)
        ssh.trust(GATE)
        try:
            serve_folder(tmp_path_factory.mktemp("mirror"))
            guard()
            yield made
        finally:
            hosts.destroy(GATE)


def serve_folder(folder: Path) -> None:
    """Fills a folder from the lab's own mirror, in place of the publishers, carries it to the gate and serves it."""
    here = {"/srv/mirror": str(folder)}
    more = f"--lock={stack.lock(stack.release_name())} --arch={content.architecture()}"
    fill = command("airgap", "python -m ops mirror 2026.11 /srv/mirror", here)
    types(f"{fill} {more} --mirror-artifacts={serve.ARTIFACTS} --mirror-images={serve.IMAGES}")
    types(f"{command('airgap', 'python -m ops mirror 2026.11 /srv/mirror --check', here)} {more}")
    hosts.copy(GATE, folder, "/srv/mirror")
    hosts.copy(GATE, toolchain.binary("registry", "registry"), "/usr/local/bin/registry")
    hosts.run(GATE, "cat >/etc/nginx/conf.d/mirror.conf", stdin=block("airgap", "nginx"), check=True)
    hosts.run(GATE, "cat >/etc/mirror-registry.yml", stdin=block("airgap", "yaml"), check=True)
    hosts.run(GATE, "chmod -R a+rX /srv/mirror && systemctl restart nginx", check=True)
    hosts.run(GATE, f"systemd-run --unit=mirror-registry {command('airgap', 'registry serve')}", check=True)


def types(line: str) -> None:
    """A line of a page, in the clone."""
    environment = {**os.environ, "PATH": f"{engine.VENV / 'bin'}:{os.environ['PATH']}"}
    subprocess.run(["sh", "-c", line], cwd=CLONE, env=environment, check=True)


def guard() -> None:
    """The users of docs/least-privilege.md, and a host that reaches no other mirror and lets in nobody else."""
    key = PUBLIC_KEY.read_text()
    through = f'restrict,port-forwarding,permitopen="{ADDRESS}:22" {key}'
    hosts.run(GATE, ["sh", "-c", NEW_USER, "sh", "through"], stdin=through, check=True)
    hosts.run(HOST, ["sh", "-c", NEW_USER, "sh", "deploy"], stdin=f'from="{GATE_ADDRESS}",restrict {key}', check=True)
    check = command("least-privilege", "visudo -cf")
    sudoers = f"umask 337 && cat >/etc/sudoers.d/evenkeel && {check} /etc/sudoers.d/evenkeel"
    hosts.run(HOST, sudoers, stdin=block("least-privilege", "sudoers"), check=True)
    hosts.run(HOST, "rm -r /root/.ssh /etc/sudoers.d/operator", check=True)
    hosts.run(HOST, "cat >>/etc/environment", stdin=ENVIRONMENT, check=True)
    hosts.run(HOST, "umask 337 && cat >/etc/sudoers.d/proxy", stdin=SUDO, check=True)
    hosts.run(HOST, f"ip route add blackhole {serve.ADDRESS}", check=True)


def test_a_user_of_the_sudoers_file_behind_a_bastion_brings_a_host_up_from_a_mirrors_folder(trial: Trial) -> None:
    trial.program.up().ok()
    assert "ok" in trial.kubectl("get", "--raw=/readyz")
    assert trial.program.steps() == []
    fetched = hosts.run(GATE, "grep -c ' 200 ' /var/log/nginx/access.log", check=True).stdout
    assert int(fetched) > 0, "the host has fetched nothing from the gate"


def test_two_answers_show_that_the_mirror_serves(trial: Trial) -> None:
    at = {"MIRROR": GATE_ADDRESS, "amd64": content.architecture()}
    assert " 200 " in hosts.run(HOST, command("airgap", "curl -I", at), check=True).stdout
    assert '"tags":' in hosts.run(HOST, command("airgap", "curl http://MIRROR:5000", at), check=True).stdout


def test_sudo_refused_nothing_that_was_run(trial: Trial) -> None:
    """And wrote down each step, so that who did what can be told afterwards."""
    said = hosts.run(HOST, "journalctl --no-pager --identifier=sudo", check=True).stdout
    assert "COMMAND=/usr/bin/sh -s -- first" in said
    assert "not allowed" not in said


def test_another_user_is_not_let_in_nor_past_the_bastion_to_other_hosts(trial: Trial) -> None:
    """The guard itself holds: else the ``up`` above has proven nothing."""
    for target in (f"{hosts.ADDRESSES['shaolin']}:22", f"{GATE_ADDRESS}:22"):
        assert "administratively prohibited" in ssh_says("-W", target, f"through@{GATE_ADDRESS}")
    for user in ("deploy", "root"):
        assert "Permission denied" in ssh_says(f"{user}@{ADDRESS}", "true")


def ssh_says(*words: str) -> str:
    """What OpenSSH's client says when it is refused, with the agent's key and any host key."""
    options = ["-oBatchMode=yes", "-oStrictHostKeyChecking=no", f"-oUserKnownHostsFile={os.devnull}"]
    done = subprocess.run(["ssh", *options, *words], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode != 0
    return done.stderr
