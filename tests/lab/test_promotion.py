"""A release goes from one stack to the next, and back, on hosts, with the engine and the commands that people use.

Two stacks of one master each. Releases 2026.10 and 2026.11 differ in Harbor alone, which these stacks do not have, so
nothing restarts for a promotion here (tests/lab/test_harbor_hubs.py upgrades by one); what fails is the apiserver.
"""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import yaml

from lab import engine, hosts, ssh, stack
from lab.mirror import content, serve
from lab.mirror.content import BEFORE
from lab.paths import CLONE, KNOWN_HOSTS, PRIVATE_KEY
from settings.merge import merged
from tests.hostless.site import LINKED, Site
from tests.lab.program import DEV
from tests.lab.trial import fresh
from tests.pages import command

HOSTS = {"small-dev": "spare1", "small-staging": "spare2", "small-prod": "spare3"}
IN_PAGE = {name.removeprefix("small-"): name for name in HOSTS}
FROM_MIRROR = (
    f"--mirror-artifacts {serve.ARTIFACTS} --mirror-images {serve.IMAGES} --arch {content.architecture()}"
    " --output {}.lock.yaml"
)
ENVIRONMENTS = {"small-dev": "development", "small-staging": "staging", "small-prod": "production"}
FROM, TO, LAST = HOSTS
RELEASE = stack.release_name()
UNATTENDED = "--yes --skip-preview"
UNQUOTED = str.maketrans("", "", "'\"")
REFUSED_FLAG = {"cluster": {"apiServer": {"extraArgs": {"event-ttl": "nonsense"}}}}

pytestmark = [pytest.mark.lab, pytest.mark.long]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A clone of its own, with both releases locked against the lab's mirror; two of its three stacks are up."""
    folder = tmp_path_factory.mktemp("promotion") / "clone"
    (folder / "state").mkdir(parents=True)
    (folder / ".venv").symlink_to(engine.VENV)
    for name in (*LINKED, "releases"):
        (folder / name).symlink_to(CLONE / name)
    made = Site(folder, engine.environment() | {"PULUMI_BACKEND_URL": f"file://{folder / 'state'}?metadata=skip"})
    for release in (BEFORE, RELEASE):
        made.types(command("promote", "python -m ops lock", {"2026.12": release}), FROM_MIRROR.format(release))
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(fresh, HOSTS.values()))
        ssh.ensure(HOSTS.values())
        for name in HOSTS:
            made.stack(name, values(name, BEFORE))
        for name in (FROM, TO):
            made.up(name)
        yield made
    finally:
        for host in HOSTS.values():
            hosts.destroy(host)


def values(name: str, release: str, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A stack's settings: dev's, with one host that is master and load balancer."""
    address = hosts.ADDRESSES[HOSTS[name]]
    own = {
        "cluster": {"name": name, "environment": ENVIRONMENTS[name], "cni": "none"},
        "ssh": {"knownHosts": str(KNOWN_HOSTS), "privateKeyFile": str(PRIVATE_KEY)},
        "loadBalancer": {"address": address, "port": 7443, "vip": None, "extraSans": []},
        "release": {"name": release, "lock": f"{release}.lock.yaml"},
    }
    sections = {key: value for key, value in DEV.settings().items() if not key.startswith("harbor")}
    sections["hosts"] = {HOSTS[name]: {"address": address, "roles": ["master", "lb"]}}
    return merged(merged(sections, own), dict(changes or {}))


def pin(site: Site, name: str) -> dict[str, Any]:
    """What the stack's file says of the release."""
    content = yaml.safe_load((site.folder / f"Pulumi.{name}.yaml").read_text())
    return dict(content["config"]["evenkeel:release"])


def proven(site: Site, name: str) -> str:
    """The release that was up and well there last."""
    return str(json.loads(site.pulumi("stack", "output", "release", "--json", "--stack", name))["name"])


def promote(site: Site, code: int = 0) -> str:
    """What a promotion from the first stack to the second says."""
    return site.types(command("promote", "python -m ops promote dev staging", IN_PAGE), code=code)


def refused(site: Site) -> str:
    """What it says when it changes no file."""
    before = pin(site, TO)
    said = promote(site, code=1)
    assert pin(site, TO) == before
    return " ".join(said.split())


def test_a_release_that_was_never_well_in_the_stack_before_goes_nowhere(site: Site) -> None:
    site.stack(FROM, values(FROM, RELEASE))
    assert f"what was up and well there is {BEFORE}" in refused(site)
    site.stack(FROM, values(FROM, RELEASE, REFUSED_FLAG))
    site.up(FROM, fails=True)
    assert f"what was up and well there is {BEFORE}" in refused(site)


def test_a_proven_release_goes_on_by_one_line_and_comes_up_there(site: Site) -> None:
    site.stack(FROM, values(FROM, RELEASE))
    site.types(command("promote", "pulumi up --stack dev", IN_PAGE), UNATTENDED)
    assert proven(site, FROM) == RELEASE
    before = (site.folder / f"Pulumi.{TO}.yaml").read_text()
    assert f"### {TO}, release {BEFORE} → {RELEASE}" in promote(site)
    after = (site.folder / f"Pulumi.{TO}.yaml").read_text()
    assert after.translate(UNQUOTED) == before.replace(BEFORE, RELEASE).translate(UNQUOTED)
    site.types(command("promote", "pulumi up --stack staging", IN_PAGE), UNATTENDED)
    assert proven(site, TO) == RELEASE


def test_no_environment_is_skipped(site: Site) -> None:
    before = pin(site, LAST)
    assert "staging" in site.types(f"python -m ops promote {FROM} {LAST}", code=1)
    assert pin(site, LAST) == before


def test_from_staging_it_goes_to_production(site: Site) -> None:
    site.types(command("promote", "python -m ops promote staging prod", IN_PAGE))
    assert pin(site, LAST)["name"] == RELEASE


def test_the_way_back_must_be_said_and_comes_up_too(site: Site) -> None:
    site.stack(FROM, values(FROM, BEFORE))
    site.up(FROM)
    assert "say --rollback" in refused(site)
    said = site.types(command("promote", "python -m ops promote dev staging --rollback", IN_PAGE))
    assert f"### {TO}, release {RELEASE} → {BEFORE}" in said
    site.up(TO)
    assert proven(site, TO) == BEFORE
