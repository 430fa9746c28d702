"""Hosts of one's own, by the commands of the README and of docs/ as they stand there, in a clone with nothing else.

A walk: each test goes on where the one before has ended. What the lab adds to a command is an address of its mirror, an
answer that a person would type, or where a key lies. Stack ``mine``: a master that is a load balancer, and a worker.
"""

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from lab import engine, hosts, ssh
from lab.mirror import content, serve
from lab.paths import BIN, CLONE, PRIVATE_KEY
from tests.hostless.site import Site
from tests.lab.program import DEV, kill
from tests.lab.trial import fresh
from tests.pages import command
from tests.waiting import eventually

MASTER, WORKER = "spare1", "spare2"
ADDRESS = hosts.ADDRESSES[MASTER]
PORT = "7443"
MIRROR = {"http://MIRROR:8080": serve.ARTIFACTS, "http://MIRROR:5000": serve.IMAGES}
FROM_MIRROR = f"--mirror-artifacts {serve.ARTIFACTS} --mirror-images {serve.IMAGES}"
UNATTENDED = "--yes --skip-preview"

pytestmark = [pytest.mark.lab, pytest.mark.long]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """As ``git clone`` leaves it."""
    folder = tmp_path_factory.mktemp("own") / "evenkeel"
    subprocess.run(["git", "clone", "--quiet", CLONE, folder], check=True)
    (folder.parent / "state").mkdir()
    unset = ("VIRTUAL_ENV", "KUBECONFIG", "PULUMI_OPTION_SUPPRESS_OUTPUTS", "PULUMI_CONFIG_PASSPHRASE_FILE")
    own = {
        "PULUMI_BACKEND_URL": f"file://{folder.parent / 'state'}?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE": "mine",
        "HOME": str(folder.parent),
        "PATH": f"{BIN}:{os.environ['PATH']}",
    }
    environment = {name: value for name, value in engine.environment().items() if name not in unset} | own
    for host in (MASTER, WORKER):
        fresh(host)
    ssh.ensure([MASTER, WORKER])
    try:
        yield Site(folder, environment)
    finally:
        for host in (MASTER, WORKER):
            hosts.destroy(host)


def settings_of(clone: Site) -> Path:
    """The stack's file."""
    return clone.folder / "Pulumi.mine.yaml"


def edit(clone: Site, section: str, changes: Mapping[str, object]) -> None:
    """An editor's work on a section of the stack's file; what is None goes."""
    whole = yaml.safe_load(settings_of(clone).read_text())
    merged = whole["config"].get(f"evenkeel:{section}", {}) | changes
    whole["config"][f"evenkeel:{section}"] = {name: value for name, value in merged.items() if value is not None}
    settings_of(clone).write_text(yaml.safe_dump(whole))


def test_the_requirements_are_all_that_the_program_asks_for(clone: Site) -> None:
    clone.types(command("README", "python3 -m venv"))
    assert clone.types("python -m ops --help")


def test_they_can_be_carried_to_where_no_index_is_reached(clone: Site) -> None:
    clone.types(command("airgap", "pip download"), "--quiet")
    clone.types("python3 -m venv ../carried")
    clone.types(f"PATH={clone.folder.parent}/carried/bin:$PATH; {command('airgap', 'pip install')}", "--quiet")
    assert "pulumi" in clone.types("../carried/bin/pip list")


def test_a_stack_is_begun_and_told_what_its_hosts_lack(clone: Site) -> None:
    clone.types(command("README", "pulumi login"))
    clone.types(command("README", "python -m ops lock"), f"{FROM_MIRROR} --arch {content.architecture()}")
    said = [f"--host {MASTER}:{ADDRESS}:master,lb", f"--host {WORKER}:{hosts.ADDRESSES[WORKER]}:worker"]
    said += [f"--address {ADDRESS} --api-port {PORT} --user root --private-key-file {PRIVATE_KEY}"]
    said += ["--environment development --accept-host-keys"]
    assert command("airgap", "python -m ops init").startswith(command("README", "python -m ops init"))
    told = clone.types(command("airgap", "python -m ops init", MIRROR), " ".join(said), code=1)
    assert f"{MASTER}: preflight: /etc/resolv.conf names a loopback address" in told
    assert "set evenkeel:cluster.kubelet.config.resolvConf" in told
    edit(clone, "cluster", {part: DEV.settings()["cluster"][part] for part in ("containerd", "kubelet", "kubeProxy")})
    clone.types(command("README", "pulumi stack init"))


def test_its_hosts_are_checked_and_its_preview_is_read(clone: Site) -> None:
    assert "2 hosts have what they need" in clone.types(command("status", "python -m ops preflight"))
    silent = command("README", "export PULUMI_OPTION_SUPPRESS_OUTPUTS")
    assert "to create" in clone.types(f"{silent}; {command('README', 'pulumi preview')}")


def test_an_up_that_is_killed_is_gone_on_with_as_the_page_says(clone: Site) -> None:
    log = clone.folder.parent / "killed.log"
    up = command("README", "pulumi up --stack mine")
    with log.open("w") as output:
        process = subprocess.Popen(
            ["sh", "-c", f"exec {up} {UNATTENDED}"],
            text=True,
            cwd=clone.folder,
            env=clone.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    eventually(lambda: f"{MASTER}-prepare creating" in log.read_text(), 60, "the hosts are being prepared")
    kill(process)
    assert "locked" in clone.types(up, UNATTENDED, code=1)
    clone.types(command("interrupted", "pulumi cancel"), "--yes --stack mine")
    clone.types(command("interrupted", "pulumi refresh"), f"{UNATTENDED} --stack mine")
    assert "pending" not in clone.types(up, UNATTENDED)


def test_the_cluster_is_used_with_the_kubeconfig_of_the_outputs(clone: Site) -> None:
    clone.types(command("README", "pulumi stack output kubeconfig"))
    ready = "kubectl --kubeconfig kubeconfig wait --for=condition=Ready node --all --timeout=60s"
    assert clone.types(ready).count("condition met") == 2


def test_it_is_looked_at(clone: Site) -> None:
    assert "stack mine: all is well" in clone.types(command("status", "python -m ops status --stack mine"))
    assert '"troubles": []' in clone.types(command("status", "python -m ops status --stack mine --json"))
    clone.types(command("status", "python -m ops report"))
    assert "All is well" in (clone.folder / "mine.html").read_text()


def test_what_differs_is_found_and_mended(clone: Site) -> None:
    verify = command("status", "python -m ops verify")
    hosts.run(MASTER, "sed -i '$a # by hand' /etc/nginx/nginx.conf", check=True)
    assert "/etc/nginx/nginx.conf differs" in clone.types(verify, code=2)
    clone.types(command("status", "pulumi config set"))
    clone.types(command("status", "pulumi up --stack mine"), UNATTENDED)
    clone.types(verify)


def test_an_object_that_was_deleted_comes_back_with_a_refresh(clone: Site) -> None:
    delete = "kubectl --kubeconfig kubeconfig -n kube-system delete"
    clone.types(f"{delete} configmap coredns")
    clone.types(command("status", "pulumi up --refresh"), f"{UNATTENDED} --stack mine")
    clone.types(f"{delete.replace('delete', 'get')} configmap coredns")


def test_harbors_passwords_are_secrets_in_the_stacks_file(clone: Site) -> None:
    for line in (
        command("harbor", "pulumi config set --secret evenkeel:harborAdminPassword"),
        command("harbor", "pulumi config set --secret evenkeel:harborDatabasePassword"),
        command("harbor", "pulumi config set --secret evenkeel:harborRedisPassword"),
    ):
        clone.types(line, "--stack mine", stdin="hunter2\n")
        key = line.split()[-1]
        assert list(yaml.safe_load(settings_of(clone).read_text())["config"][key]) == ["secure"]
        clone.types(f"pulumi config rm {key} --stack mine")
    assert "hunter2" not in settings_of(clone).read_text()


def test_a_worker_that_leaves_is_emptied(clone: Site) -> None:
    clone.types(f"KUBECONFIG=kubeconfig {command('hosts', 'kubectl drain', {'NAME': WORKER})}")
    retire = command("hosts", "sh /usr/local/lib/evenkeel/retire.sh", {"NAME": WORKER})
    assert hosts.run(WORKER, retire).returncode == 1, "it goes while the cluster has the node"
    edit(clone, "hosts", {WORKER: None})
    clone.types(command("README", "pulumi up --stack mine"), UNATTENDED)
    assert "nothing of the stack is left" in hosts.run(WORKER, retire, check=True).stderr
    assert hosts.run(WORKER, "ls -d /var/lib/kubelet /etc/kubernetes /var/lib/evenkeel 2>/dev/null").stdout == ""
