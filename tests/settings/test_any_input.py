"""Whatever a stack's configuration holds, the answer is a ``Stack`` or a ``SettingsError`` of one line a fault."""

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import settings
from settings.draft import KEYS as KEYS_THERE_ARE
from settings.secret_keys import SECRETS
from tests.settings import pem, samples

NAMES = ("shaolin", "name", "address", "roles", "ssh", "host", "vip", "config", "extraArgs", "port", "mirror", "v")
HARBOR_NAMES = ("hub1", "url", "shared", "s3", "local", "path", "core", "cpus", "tokenKey", "databases", "password")
SECRET = "hunter3-is-no-ones-business"
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["10.0.0.0/8", "192.0.2.11", "10m", "2026.11", "../known_hosts", "~nobody-such/x", "/", "\0", ""])
    | st.sampled_from(["hub", "hub1", "bundled", "https://hub.example.com:6443", "/srv/harbor", "h:1", "\n", SECRET])
    | st.sampled_from(["master", "lb", samples.PRIVATE_KEY, "x" * 5000, "::1", "*.example.com", "0", "-1"])
)
KEYS = st.sampled_from(NAMES + HARBOR_NAMES) | st.text(max_size=8) | st.integers()
TREES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4))
MISSPELT = st.text(max_size=30).filter(lambda name: name not in KEYS_THERE_ARE)
UNHURRIED = hypothesis_settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def places(tree: object, above: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """Every path of a nested mapping or list."""
    steps: list[tuple[object, object]] = []
    if isinstance(tree, dict):
        steps = list(tree.items())
    elif isinstance(tree, list):
        steps = list(enumerate(tree))
    return [path for step, below in steps for path in [(*above, step), *places(below, (*above, step))]]


WHOLE = samples.with_harbor() | {"sshPrivateKey": None, "repair": "2026-11-24"}
WHOLE["ssh"]["bastion"] = {"host": "192.0.2.31", "port": 22}
WHOLE["hosts"]["emei"]["ssh"] = {"host": "192.0.2.13", "port": 22, "user": "root"}
WHOLE["hosts"]["emei"]["kubelet"] = {"config": {"maxPods": 10}}
WHOLE["cluster"]["apiServer"] = {"extraArgs": {"v": 2}, "extraSans": ["api.example.com"]}
WHOLE["cluster"]["controllerManager"] = {"extraArgs": {"node-cidr-mask-size": 24}}
WHOLE["cluster"]["containerd"] = {"config": {"plugins": {"io.containerd.cri.v1.images": {"snapshotter": "overlayfs"}}}}
WHOLE["loadBalancer"]["weights"] = {"emei": 2}
WHOLE["harbor"] |= {
    "address": "192.0.2.30",
    "extraSans": ["registry.example.com"],
    "bundledOn": None,
    "generations": {
        "tokenKey": 2,
        "certificate": 1,
        "registryCredential": 1,
        "httpSecret": 1,
        "csrfKey": 3,
        "ca": [2, 1],
    },
    "drain": "90s",
    "trivy": True,
    "exporter": True,
    "resources": {"core": {"memory": 1024, "cpus": 1.5}, "trivy": {"cpus": 1}},
    "pullSecrets": [{"namespace": "default", "name": "harbor", "project": "library"}],
    "certificate": "chain.pem",
    "ca": "ca.pem",
}
WHOLE["harbor"]["storage"] = {
    "s3": {"region": "eu-west-1", "bucket": "harbor", "accessKey": "AKIA0", "secure": True, "redirect": False}
}
WHOLE["harbor"]["database"] |= {"port": 5432, "name": "registry", "sslMode": "verify-full"}
WHOLE["harbor"]["redis"] |= {"sentinelMaster": "harbor", "username": "harbor", "databases": {"trivy": 6}}
WHOLE["harborRedisPassword"] = WHOLE["harborStorageSecretKey"] = SECRET
WHOLE["harborSecretKey"], WHOLE["harborCsrfKey"] = "s" * 16, "c" * 32
HUB = pem.issued("hub", names=["hub.example.com", "registry.example.com"])
WHOLE["harborCertificateKey"] = pem.pem(HUB.key)
WHOLE["release"]["mirror"] = {"artifacts": "http://192.0.2.2:8080", "images": "http://192.0.2.2:5000"}


def judge(root: Path, values: dict[Any, Any]) -> None:
    try:
        stack = settings.parse(values, root)
    except settings.SettingsError as error:
        refused = error
    else:
        assert isinstance(stack, settings.Stack)
        assert stack.masters()
        return
    lines = str(refused).splitlines()
    assert lines
    assert len(lines) == len(refused.faults)
    assert all(line.startswith("evenkeel:") and line.count(": ") >= 2 and "; " in line for line in lines), lines
    assert "PRIVATE KEY" not in str(refused)
    assert all(len(line) < 1000 for line in lines), lines


@pytest.fixture(scope="module")
def shared_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("stack")
    samples.write_files(root)
    for name in ("chain.pem", "ca.pem"):
        (root / name).write_text(HUB.text)
    return root


def test_the_stack_whose_every_part_is_replaced_below_is_whole(shared_root: Path) -> None:
    assert samples.refusals(shared_root, WHOLE) == []


@UNHURRIED
@given(values=st.dictionaries(KEYS | st.sampled_from(sorted(WHOLE)), TREES, max_size=6))
def test_any_mapping_is_a_stack_or_a_list_of_faults(shared_root: Path, values: dict[Any, Any]) -> None:
    judge(shared_root, values)


@UNHURRIED
@given(data=st.data(), value=TREES, remove=st.booleans())
def test_any_part_of_a_whole_stack_may_be_anything(
    shared_root: Path, data: st.DataObject, value: object, remove: bool
) -> None:
    values = copy.deepcopy(WHOLE)
    *above, last = data.draw(st.sampled_from(places(WHOLE)))
    at: Any = values
    for step in above:
        at = at[step]
    if remove:
        del at[last]
    else:
        at[last] = value
    judge(shared_root, values)


@UNHURRIED
@given(name=st.sampled_from(SECRETS) | MISSPELT, before=st.text(max_size=20), after=st.text(max_size=20))
def test_whatever_a_secret_holds_and_however_its_key_is_misspelt_no_line_repeats_it(
    shared_root: Path, name: str, before: str, after: str
) -> None:
    values = WHOLE | {name: f"{before}{SECRET}{after}"}
    assert not any(SECRET in line for line in samples.refusals(shared_root, values))
