"""An authority that is renewed: who issues, who is trusted, what is protected, and what is done after the turns."""

from pathlib import Path
from typing import Any

import pytest

from render.files import staged_parts
from render.static_pods import SIGNER
from settings import Stack
from tests.components.composed import control_plane
from tests.components.recorder import Registration, commands, run, unwrapped
from tests.settings import samples

KEY, AUTHORITY, LEAF = (f"tls:index/{kind}" for kind in ("privateKey", "selfSignedCert", "locallySignedCert"))
EVERYTHING = ("ca", "frontProxyCa", "etcdCa", "serviceAccount")


def renewing(root: Path, *generations: int) -> Stack:
    pki = {"generations": {key: [*generations] for key in EVERYTHING}}
    return samples.stack(root, {"cluster": samples.values()["cluster"] | {"pki": pki}})


def of_type(found: list[Registration], kind: str) -> dict[str, Any]:
    return {one.name: one for one in found if one.type.startswith(kind)}


def secrets(found: list[Registration], step: str) -> str:
    return str(unwrapped(commands(found)[step].inputs["stdin"]))


@pytest.mark.parametrize(("generations", "issuer"), [((1, 2), "pki-ca"), ((2, 1), "pki-ca-2"), ((2,), "pki-ca-2")])
def test_the_first_generation_signs_every_leaf(tmp_path: Path, generations: tuple[int, ...], issuer: str) -> None:
    found = run(lambda: control_plane(renewing(tmp_path, *generations)))
    signed = of_type(found, LEAF)["pki-apiserver-shaolin"].inputs
    assert f"{issuer}\n" in signed["caCertPem"]
    assert f"\n{issuer}\n" in unwrapped(signed["caPrivateKeyPem"])


@pytest.mark.parametrize("generations", [(1, 2), (2, 1)])
def test_both_are_trusted_wherever_something_is_verified(tmp_path: Path, generations: tuple[int, ...]) -> None:
    """One host, or one file, that knows only one of them refuses whoever has the other."""
    found = run(lambda: control_plane(renewing(tmp_path, *generations)))
    names = {1: "pki-{}\n", 2: "pki-{}-2\n"}
    bundles = {
        what: "".join(f"# generation {one}\n-----BEGIN {kind}-----\n{names[one].format(what)}" for one in generations)
        for what, kind in dict.fromkeys(("ca", "front-proxy-ca", "etcd-ca"), "CERTIFICATE").items()
        | {("service-account", "PUBLIC KEY")}
    }
    master, node = secrets(found, "shaolin-control-plane-secrets"), secrets(found, "huashan-kubelet-secrets")
    assert all(bundles[what] in master for what in ("ca", "front-proxy-ca", "service-account"))
    assert bundles["ca"] in node
    assert bundles["etcd-ca"] in secrets(found, "shaolin-etcd-secrets")


def test_what_issues_is_protected_and_what_comes_or_goes_is_not(tmp_path: Path) -> None:
    """A protected resource that leaves the program stops the whole `up` that drops it."""
    found = run(lambda: control_plane(renewing(tmp_path, 2, 1)))
    made = of_type(found, KEY) | of_type(found, AUTHORITY)
    for what in ("ca", "front-proxy-ca", "etcd-ca", "service-account"):
        assert made[f"pki-{what}-2"].request.protect, what
        assert not made[f"pki-{what}"].request.protect, what


def test_what_was_dropped_is_nowhere_any_more(tmp_path: Path) -> None:
    found = run(lambda: control_plane(renewing(tmp_path, 2)))
    assert {"pki-ca", "pki-front-proxy-ca", "pki-etcd-ca", "pki-service-account"} & {one.name for one in found} == set()


def test_a_new_authority_is_published_before_pods_roll_and_workers_ask_for_certificates(tmp_path: Path) -> None:
    """A pod that began with the old one alone would keep it for as long as it runs."""
    found = commands(run(lambda: control_plane(renewing(tmp_path, 1, 2))))
    assert {"shaolin-activate", "wudang-activate", "emei-activate"} <= found["shaolin-renewal"].after
    assert "shaolin-renewal" in found["wudang-renewal"].after
    assert "emei-renewal" in found["huashan-activate"].after


def test_a_stack_at_rest_has_no_step_for_it(tmp_path: Path) -> None:
    found = commands(run(lambda: control_plane(renewing(tmp_path, 2))))
    assert not [name for name in found if name.endswith("-renewal")]


def test_the_controller_manager_signs_with_a_file_of_one_certificate(tmp_path: Path) -> None:
    """It refuses to start with one of two: "expected 1 certificate, found 2" (pkg/controller/certificates/signer)."""
    found = run(lambda: control_plane(renewing(tmp_path, 2, 1)))
    assert f"--cluster-signing-cert-file={SIGNER}\n" in commands(found)["shaolin-control-plane"].inputs["stdin"]
    laid = staged_parts(secrets(found, "shaolin-control-plane-secrets"))["pki.secret"]
    (signer,) = [file.content for file in laid if file.path == SIGNER]
    assert signer == "-----BEGIN CERTIFICATE-----\npki-ca-2\n"
