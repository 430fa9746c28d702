"""What a hub's containers are recognised by; that the digests on a hub are the same ones is shown by tests/lab."""

from dataclasses import replace
from pathlib import Path

import pytest

from render import hub
from render.harbor import HarborSecrets, containers, plain_files, secret_files
from settings import Stack
from tests.render import harbor_samples
from tests.render.harbor_samples import SECRETS

TRUSTING = {"core", "registry", "registryctl", "jobservice"}


def revisions(stack: Stack, secrets: HarborSecrets = SECRETS) -> dict[str, str]:
    """By service, of hub1."""
    host = harbor_samples.hub(stack)
    files = [*plain_files(stack, host), *secret_files(stack, host, secrets)]
    return {one.service: hub.revision("key", one, "image", secrets, files, "") for one in containers(stack, host)}


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """The services whose containers are replaced."""
    return {service for service in before if before[service] != after[service]}


@pytest.mark.parametrize(
    ("secret", "replaced"),
    [
        ("registry_http_secret", {"registry", "registryctl"}),
        ("server_certificate", {"proxy"}),
        ("server_key", {"proxy"}),
        ("csrf_key", {"core"}),
        ("secret_key", {"core"}),
        ("admin_password", {"core"}),
        ("database_password", {"core"}),
        ("registry_password", {"core", "jobservice"}),
        ("core_secret", {"core", "jobservice", "registryctl"}),
        ("jobservice_secret", {"core", "jobservice", "registryctl"}),
        ("ca", TRUSTING),
        ("token_key", set()),
        ("token_certificate", set()),
    ],
)
def test_a_new_secret_replaces_the_containers_that_read_it_at_their_start_and_no_other(
    tmp_path: Path, secret: str, replaced: set[str]
) -> None:
    """core reads the token's key at each request, and nobody the certificate beside it."""
    given = harbor_samples.stack(tmp_path)
    assert changed(revisions(given), revisions(given, replace(SECRETS, **{secret: "another"}))) == replaced


def test_another_password_of_a_store_replaces_all_that_log_in_there(tmp_path: Path) -> None:
    redis = harbor_samples.stack(tmp_path, redisPassword="of-redis")
    after = revisions(redis, replace(SECRETS, redis_password="another"))
    assert changed(revisions(redis), after) == TRUSTING
    bucket = harbor_samples.stack(tmp_path, storage=harbor_samples.S3)
    after = revisions(bucket, replace(SECRETS, storage_secret_key="another"))
    assert changed(revisions(bucket), after) == {"registry", "registryctl"}


def test_a_changed_plain_file_replaces_the_container_that_reads_it(tmp_path: Path) -> None:
    """Nothing else that the container is told need have changed."""
    given = harbor_samples.stack(tmp_path)
    numbered = harbor_samples.stack(tmp_path, redis={"addresses": ["192.0.2.52:6379"], "databases": {"jobservice": 7}})
    assert harbor_samples.described(numbered) == harbor_samples.described(given)
    assert changed(revisions(given), revisions(numbered)) == {"jobservice"}
