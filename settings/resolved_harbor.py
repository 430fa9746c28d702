"""Resolves Harbor's settings: what follows from the rest of the stack, and the secrets that the user gives.

Owns: the bundled stores' addresses, and where clients find Harbor. Does not own: any rule (``settings.rules.harbor``).
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from settings import secret_keys as keys
from settings.draft import HARBOR, Draft
from settings.errors import Fault, fault
from settings.harbor import POSTGRESQL_PORT, REDIS_PORT, Database, HarborSettings, Redis
from settings.schema import LoadBalancer
from settings.stack import GivenSecrets, Harbor, ServerCertificate

SHORTEST_REST = timedelta(days=30)  # of the user's own certificate and authority, before they are warned of


def resolve(
    draft: Draft, balancer: LoadBalancer, certificate: ServerCertificate | None, authorities: str
) -> Harbor | None:
    """Harbor as the program sees it, once nothing is at fault any more."""
    settings = draft.harbor
    if settings is None:
        return None
    return Harbor.model_construct(
        **{
            **dict(settings),
            "address": settings.address or balancer.address,
            "database": settings.database or _bundled_database(draft, settings),
            "redis": settings.redis or _bundled_redis(draft, settings),
            "server_certificate": certificate,
            "authorities": authorities,
        }
    )


def warned(harbor: Harbor | None) -> Iterator[Fault]:
    """Warns of a certificate's end that is near: after it, nothing but a new one is accepted."""
    own = harbor.server_certificate if harbor else None
    if harbor is None or own is None:
        return
    ends = ("certificate", harbor.certificate, own.not_after), ("ca", harbor.ca, own.ca_not_after)
    for key, file, end in ends:
        if end - datetime.now(UTC) < SHORTEST_REST:
            remedy = "have it renewed and put the new one in its place"
            yield fault((HARBOR, key), file, f"ends on {end:%Y-%m-%d}", remedy)


def secrets(draft: Draft) -> GivenSecrets:
    """The user's secrets for Harbor."""
    return GivenSecrets(
        admin_password=_secret(draft, keys.ADMIN_PASSWORD),
        database_password=_secret(draft, keys.DATABASE_PASSWORD),
        redis_password=_secret(draft, keys.REDIS_PASSWORD),
        storage_secret_key=_secret(draft, keys.STORAGE_SECRET_KEY),
        token_key=_secret(draft, keys.TOKEN_KEY),
        secret_key=_secret(draft, keys.SECRET_KEY),
        csrf_key=_secret(draft, keys.CSRF_KEY),
        certificate_key=_secret(draft, keys.CERTIFICATE_KEY),
    )


def _secret(draft: Draft, name: str) -> SecretStr | None:
    return SecretStr(draft.secrets[name]) if name in draft.secrets else None


def _bundled_database(draft: Draft, settings: HarborSettings) -> Database:
    address = draft.hosts[settings.bundled_on or ""].address
    return Database.model_construct(host=address, port=POSTGRESQL_PORT, user="postgres", ssl_mode="disable")


def _bundled_redis(draft: Draft, settings: HarborSettings) -> Redis:
    address = draft.hosts[settings.bundled_on or ""].address
    return Redis.model_construct(addresses=[f"{address}:{REDIS_PORT}"])
