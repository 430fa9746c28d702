"""Harbor's components: what travels where, in the open or not, and in which order hubs have their turn."""

import asyncio
import gc
import re
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.certificates import summary
from components.harbor import Harbor, HarborArgs
from components.harbor_secrets import HubSecrets, HubSecretsArgs
from components.harbor_trust import trust
from components.host import RemoteHost, RemoteHostArgs
from components.key_file import key_file
from components.preparation import Preparation, PreparationArgs, compared
from components.remote_command import RemoteCommand
from render import hub_preflight, preparation
from render.files import HEREDOC_END as END
from settings import Stack
from tests.components.recorder import Registration, commands, is_secret, plain_texts, run, unwrapped
from tests.settings import pem, samples

CONTAINER = "docker:index/container:Container"
TRUSTING = ("shaolin", "wudang", "emei", "huashan", "hub1", "hub2")


def harbor_of(stack: Stack) -> None:
    """What ``__main__`` composes of hubs."""
    hosts = {name: RemoteHost(name, RemoteHostArgs(host, stack.repair)) for name, host in stack.hosts.items()}
    prepared = Preparation("preparation", PreparationArgs(stack, hosts)).prepared
    secrets = HubSecrets("harbor", HubSecretsArgs(stack))
    Harbor("harbor", HarborArgs(stack, hosts, prepared, secrets, []))
    trust(stack, hosts, prepared, secrets.ca)


def sample(root: Path, **changed: Any) -> Stack:
    values = samples.with_harbor()
    harbor = values["harbor"] | changed.pop("harbor", {})
    return samples.stack(root, values | {"harbor": harbor} | changed)


def registered(root: Path, preview: bool = False, **changed: Any) -> dict[tuple[str, str], Registration]:
    stack = sample(root, **changed)
    return {(one.type, one.name): one for one in run(lambda: harbor_of(stack), preview=preview)}


def containers(found: dict[tuple[str, str], Registration]) -> dict[str, dict[str, Any]]:
    return {name: one.inputs for (kind, name), one in found.items() if kind == CONTAINER}


def revisions(found: dict[tuple[str, str], Registration]) -> dict[str, str]:
    return {name: unwrapped(inputs["labels"])[0]["value"] for name, inputs in containers(found).items()}


def steps(found: dict[tuple[str, str], Registration]) -> dict[str, Registration]:
    return commands(list(found.values()))


@pytest.mark.parametrize("preview", [False, True], ids=["up", "preview"])
def test_no_secret_of_harbor_is_ever_registered_in_the_open(tmp_path: Path, preview: bool) -> None:
    given = (samples.ADMIN_PASSWORD, samples.DATABASE_PASSWORD, samples.PRIVATE_KEY)
    for one in registered(tmp_path, preview).values():
        for text in plain_texts(one.inputs):
            assert "PRIVATE KEY" not in text, f"{one.name} shows a private key"
            assert "word-of-" not in text, f"{one.name} shows a secret that the stack made"
            assert not any(secret in text for secret in given), f"{one.name} shows a secret that the user gave"


def test_a_previewer_reads_a_hubs_files_and_its_containers_before_anything_is_there(tmp_path: Path) -> None:
    found = registered(tmp_path, preview=True)
    assert (
        "put harbor 0644 10000:10000 /etc/evenkeel/harbor/proxy/nginx.conf newline"
        in (steps(found)["hub1-harbor"].inputs["stdin"])
    )
    proxy = containers(found)["hub1-harbor-proxy"]
    assert proxy["image"].startswith("docker.io/goharbor/nginx-photon:v2.15.2@sha256:")
    assert proxy["ports"] == [{"internal": 8443, "external": 443, "ip": "0.0.0.0", "protocol": "tcp"}]
    assert "envs" not in containers(found)["hub1-harbor-portal"]
    core = containers(found)["hub1-harbor-core"]
    assert "POSTGRESQL_HOST=192.0.2.51" in core["envs"]
    assert core["entrypoints"] == ["/bin/sh", "-c", "set -a; . /etc/core/environment; exec /harbor/entrypoint.sh"]


def test_every_hub_has_the_same_secrets_by_construction(tmp_path: Path) -> None:
    def staged(hub: str) -> str:
        text = unwrapped(steps(found)[f"{hub}-harbor-secrets"].inputs["stdin"])
        assert isinstance(text, str)
        # What differs is that containers are bound to their host.
        return re.sub(r"^harbor-\S+ [0-9a-f]{16}$", "", text, flags=re.MULTILINE)

    found = registered(tmp_path)
    assert staged("hub1") == staged("hub2")
    assert "/etc/evenkeel/harbor/core/private_key.pem" in staged("hub1")


def test_secrets_travel_on_standard_input_and_are_not_logged(tmp_path: Path) -> None:
    found = steps(registered(tmp_path))
    for name in ("hub1-harbor-secrets", "hub1-preflight-harbor", "hub1-harbor-robots"):
        assert is_secret(found[name].inputs["stdin"]), name
        assert found[name].inputs["logging"] == "none", name


def rotated(found: dict[tuple[str, str], Registration], other: dict[tuple[str, str], Registration]) -> set[str]:
    """The keys and passwords that are not the same resources, or are told to be another generation."""

    def made(of: dict[tuple[str, str], Registration]) -> set[tuple[str, str]]:
        kinds = ("tls:", "random:index/randomPassword")
        return {(name, str(one.inputs.get("keepers"))) for (kind, name), one in of.items() if kind.startswith(kinds)}

    return {name for name, _ in made(other) - made(found)}


@pytest.mark.parametrize(
    ("generation", "replaced"),
    [
        ("tokenKey", {"harbor-token-key-2"}),
        ("certificate", {"harbor-server-2"}),
        ("registryCredential", {"harbor-registry-credential"}),
        ("httpSecret", {"harbor-registry-http"}),
        ("csrfKey", {"harbor-csrf-key"}),
    ],
)
def test_a_new_generation_renews_just_that_secret(tmp_path: Path, generation: str, replaced: set[str]) -> None:
    found = registered(tmp_path)
    assert rotated(found, registered(tmp_path, harbor={"generations": {generation: 2}})) == replaced


def test_what_cannot_be_renewed_without_loss_is_protected(tmp_path: Path) -> None:
    """Clients trust the authority, and the database's credentials are encrypted with the secret key."""
    assert {key for key, one in registered(tmp_path).items() if one.request.protect} == {
        ("random:index/randomPassword:RandomPassword", "harbor-secret-key"),
        ("tls:index/privateKey:PrivateKey", "harbor-ca"),
        ("tls:index/selfSignedCert:SelfSignedCert", "harbor-ca"),
    }


@pytest.mark.parametrize(
    ("generations", "issuer"), [([1, 2], "harbor-ca"), ([2, 1], "harbor-ca-2"), ([2], "harbor-ca-2")]
)
def test_harbors_authority_gives_way_to_a_new_one_in_steps(tmp_path: Path, generations: list[int], issuer: str) -> None:
    """Ten years after a stack began no client would have trusted its Harbor, and nobody could do anything about it."""
    found = registered(tmp_path, harbor={"generations": {"ca": generations}})
    leaf = found[("tls:index/locallySignedCert:LocallySignedCert", "harbor-server-1")].inputs
    assert f"\n{issuer}\n" in leaf["caCertPem"]
    assert f"\n{issuer}\n" in unwrapped(leaf["caPrivateKeyPem"])
    names = {1: "harbor-ca", 2: "harbor-ca-2"}
    bundle = "".join(f"# generation {one}\n-----BEGIN CERTIFICATE-----\n{names[one]}\n" for one in generations)
    for step in ("huashan-harbor-trust", "hub1-harbor-trust", "hub1-harbor-secrets"):
        assert bundle in str(unwrapped(steps(found)[step].inputs["stdin"])), step
    authorities = {
        name: one for (kind, name), one in found.items() if kind == "tls:index/selfSignedCert:SelfSignedCert"
    }
    protected = {name for name, one in authorities.items() if one.request.protect}
    assert protected == {issuer}, "a protected one that leaves the program stops the whole `up` that drops it"
    assert {name for name in authorities if "-ca" in name} == {names[one] for one in generations}


def test_the_list_of_certificates_names_every_authority_that_is_trusted(tmp_path: Path) -> None:
    found = ends(sample(tmp_path, harbor={"generations": {"ca": [2, 1]}}))
    assert [one["name"] for one in found] == ["harbor-ca-2", "harbor-ca", "harbor-server"]


def ends(stack: Stack) -> list[dict[str, str | None]]:
    """Of Harbor's certificates, as the stack's output tells them."""
    told: list[list[dict[str, str | None]]] = []
    run(lambda: summary(HubSecrets("harbor", HubSecretsArgs(stack)).listed).apply(told.append))
    return told[-1]


def test_the_list_of_certificates_says_when_harbors_own_end(tmp_path: Path) -> None:
    """Nobody looks for the end of a certificate that no list names."""
    made = "2027-11-23T00:00:00Z"  # by the stack
    assert ends(sample(tmp_path)) == [
        {"name": "harbor-ca", "host": None, "notAfter": made},
        {"name": "harbor-server", "host": None, "notAfter": made},
    ]


def test_of_a_certificate_that_a_user_brings_the_list_says_what_ends_first(tmp_path: Path) -> None:
    ca = pem.issued("root", days=(-1, 900))
    between = pem.issued("between", ca, days=(-1, 100))
    leaf = pem.issued("hub", between, ["hub.example.com"], days=(-1, 300))
    (tmp_path / "chain.pem").write_text(leaf.text + between.text)
    (tmp_path / "ca.pem").write_text(ca.text)
    own = {"certificate": "chain.pem", "ca": "ca.pem"}
    assert [one["notAfter"] for one in ends(sample(tmp_path, harbor=own, harborCertificateKey=pem.pem(leaf.key)))] == [
        f"{one.certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}" for one in (ca, between)
    ]


def test_containers_are_replaced_when_what_they_read_at_their_start_changes_and_only_then(tmp_path: Path) -> None:
    before = revisions(registered(tmp_path))
    changed = revisions(registered(tmp_path, harbor={"resources": {"core": {"memory": 2048}}}))
    assert {name for name in before if before[name] != changed[name]} == {"hub1-harbor-core", "hub2-harbor-core"}
    assert revisions(registered(tmp_path)) == before


def test_another_word_for_repair_runs_every_step_and_replaces_every_container(tmp_path: Path) -> None:
    before, after = registered(tmp_path), registered(tmp_path, repair="tuesday")
    assert not set(revisions(before).values()) & set(revisions(after).values())
    for name, command in steps(after).items():
        assert command.inputs["update"].split()[:5] == ["sh", "-s", "--", "again", "tuesday"], name
        assert command.inputs["update"] != steps(before)[name].inputs["update"], name


def test_the_stacks_robots_are_looked_after_after_each_turn_of_a_hub(tmp_path: Path) -> None:
    """The hubs may have moved to another database, where nobody knows them."""
    found = steps(registered(tmp_path))
    robots, probe = (found[f"hub1-{step}"].inputs["update"].split()[4:] for step in ("harbor-robots", "harbor-probe"))
    assert robots == probe
    assert len(robots) >= 2


def test_a_hub_that_loses_its_role_is_freed_of_harbor_between_its_containers_and_their_images(tmp_path: Path) -> None:
    """The engine ends what depends on a step before the step: pulumi-docker is done with the containers by then, and
    their provider is still needed for the images."""
    found = registered(tmp_path)
    for hub in ("hub1", "hub2"):
        name, leave = f"{hub}-leave", steps(found)[f"{hub}-leave"]
        assert leave.inputs["delete"] == "/usr/local/lib/evenkeel/retire.sh hub"
        of_hub = {key: one for key, one in found.items() if key[1].startswith(f"{hub}-")}
        assert all(name in one.after for (kind, _), one in of_hub.items() if kind == CONTAINER)
        assert {image for kind, image in of_hub if kind.startswith("docker:index/remoteImage")} <= leave.after
        assert leave.request.deletedWith.endswith(f"::{hub}"), "a host that leaves as a whole may be lost"


def test_a_preview_writes_no_key_and_an_up_writes_one_that_only_its_user_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    values = samples.with_harbor() | {"ssh": {"knownHosts": "known_hosts"}, "sshPrivateKey": samples.PRIVATE_KEY}
    ssh = samples.stack(tmp_path, values).hosts["hub1"].ssh
    seen: list[str] = []
    for preview in (True, False):
        run(lambda: seen.append(str(key_file(ssh))), preview=preview)
        assert Path(seen[-1]).exists() is not preview
    assert seen[0] == seen[1]
    assert Path(seen[0]).stat().st_mode & 0o777 == 0o600
    assert Path(seen[0]).parent.stat().st_mode & 0o777 == 0o700


def test_hubs_that_see_different_folders_are_refused(tmp_path: Path) -> None:
    from components.preparation import same_storage

    harbor = sample(tmp_path).harbor
    assert harbor
    same_storage(harbor, {"hub1": "storage 0a", "hub2": "storage 0a"})
    with pytest.raises(pulumi.RunError, match=r"^evenkeel:harbor\.storage\.shared\.path: /srv/harbor: is not the same"):
        same_storage(harbor, {"hub1": "storage 0a", "hub2": "storage 0b"})


def test_a_run_ends_in_an_error_when_the_checks_of_its_hubs_say_different_folders(tmp_path: Path) -> None:
    stack = sample(tmp_path)

    async def compare() -> None:
        said = {hub: RemoteCommand.__new__(RemoteCommand) for hub in stack.hubs()}
        for hub, check in said.items():
            check.stdout = pulumi.Output.from_input(f"storage {hub}\n")
        await compared(stack, {(hub, hub_preflight.STEP): check for hub, check in said.items()}).future()

    with pytest.raises(pulumi.RunError, match="is not the same folder on hubs hub1, hub2"):
        asyncio.run(compare())
    gc.collect()  # what an output's other futures hold of the error is told now, and not while a module is being read


def test_nodes_and_hubs_trust_harbors_authority_without_a_restart(tmp_path: Path) -> None:
    found = steps(registered(tmp_path))
    node, hub = found["huashan-harbor-trust"].inputs["stdin"], found["hub1-harbor-trust"].inputs["stdin"]
    assert "/etc/containerd/certs.d/hub.example.com/hosts.toml" in node
    assert "/etc/docker/certs.d/hub.example.com/ca.crt" in hub
    assert "install_part harbor-trust" in node
    assert "systemctl" not in node


def test_whoever_trusts_harbor_no_longer_does_once_harbor_or_the_role_has_left(tmp_path: Path) -> None:
    """Nobody replaces an authority there that is no longer the stack's; and who holds its key would be believed."""
    found = steps(registered(tmp_path))
    assert {name for name in found if name.endswith("-trust")} == {f"{host}-harbor-trust" for host in TRUSTING}
    for host in TRUSTING:
        one = found[f"{host}-harbor-trust"]
        assert one.inputs["delete"] == "/usr/local/lib/evenkeel/retire.sh trust"
        assert one.request.deletedWith.endswith(f"::{host}"), "a host that leaves as a whole may be lost"
        assert f"\ntrusts harbor\n{END}" in found[f"{host}-prepare"].inputs["stdin"], "a step that is replaced"
    assert "\ntrusts harbor\n" not in found["lb1-prepare"].inputs["stdin"]
    alone = samples.stack(tmp_path)
    assert not any(preparation.trusts_harbor(alone, host) for host in alone.hosts.values())
