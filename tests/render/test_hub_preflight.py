"""What the check of a hub's stores is told; what it makes of that is shown by tests/lab."""

from pathlib import Path
from typing import Any

import pytest

from render import hub_preflight
from settings import Stack
from tests.render import harbor_samples
from tests.render.harbor_samples import REDIS_PASSWORD, S3, SENTINELS
from tests.settings import samples


def variables(stack: Stack) -> dict[str, str]:
    """Those of hub1."""
    assert stack.harbor
    return hub_preflight.variables(stack, stack.harbor, harbor_samples.hub(stack))


def test_stores_are_asked_where_the_stack_says_that_they_are(tmp_path: Path) -> None:
    asked = variables(harbor_samples.stack(tmp_path))
    assert asked == {
        "EVENKEEL_HOST": "hub1",
        "SSH_USER": "root",
        "MIRROR": "",
        "CONTAINERS": "harbor-log harbor-registry harbor-registryctl harbor-portal harbor-proxy harbor-core "
        "harbor-jobservice",
        "AUTHORITIES": "",
        "STORAGE_KIND": "shared",
        "STORAGE_PATH": "/srv/harbor",
        "STORE": "external",
        "PGHOST": "192.0.2.51",
        "PGPORT": "5432",
        "PGDATABASE": "registry",
        "PGUSER": "harbor",
        "PGSSLMODE": "require",
        "PGPASSWORD": samples.DATABASE_PASSWORD,
        "REDIS_ADDRESSES": "192.0.2.52:6379",
        "SENTINEL_MASTER": "",
        "REDIS_USER": "",
        "REDIS_DATABASES": "0 1 2 5",
        "REDISCLI_AUTH": "",
    }


def test_redis_is_asked_through_its_sentinels_and_with_its_password(tmp_path: Path) -> None:
    redis = {**SENTINELS, "username": "harbor"}
    asked = variables(harbor_samples.stack(tmp_path, redis=redis, redisPassword=REDIS_PASSWORD))
    assert asked["REDIS_ADDRESSES"] == "192.0.2.52:26379 192.0.2.53:26379"
    assert (asked["SENTINEL_MASTER"], asked["REDIS_USER"]) == ("mymaster", "harbor")
    assert asked["REDISCLI_AUTH"] == REDIS_PASSWORD


@pytest.mark.parametrize(
    ("s3", "url"),
    [
        ({}, "https://s3.example.com/images"),
        ({"endpoint": None}, "https://s3.eu-1.amazonaws.com/images"),
    ],
    ids=["an endpoint of its own", "Amazon's"],
)
def test_a_bucket_is_asked_for_by_its_name_and_with_its_key(tmp_path: Path, s3: dict[str, Any], url: str) -> None:
    bucket = {name: value for name, value in {**S3["s3"], **s3}.items() if value is not None}
    asked = variables(harbor_samples.stack(tmp_path, storage={"s3": bucket}))
    assert (asked["STORAGE_KIND"], asked["STORAGE_PATH"]) == ("s3", "")
    assert {name: asked[name] for name in asked if name.startswith("S3_")} == {
        "S3_URL": url,
        "S3_REGION": "eu-1",
        "S3_ACCESS_KEY": "AK",
        "S3_SECRET_KEY": "SK",
    }
