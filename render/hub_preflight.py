"""What is checked on hubs besides every host's preflight: Docker's engine, and the stores that hubs share.

Apart from the preflight proper, since the passwords of the stores go there, so that nothing of this text may be shown.
Owns the variables of scripts/hub-preflight.sh, and the comparison of what two hubs see as their storage: that takes
two hosts. Does not own when it is done (``components.preparation``).
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from pydantic import SecretStr

from render.harbor import containers
from render.scripts import assignments
from settings import S3, Harbor, Host, Stack

STEP = "preflight-harbor"


def body(stack: Stack, harbor: Harbor, hub: Host, scripts: Mapping[str, str]) -> str:
    """The whole of the check's script.

    Another hub, or another machine under a hub's name, makes all of them look again: what they see is compared.
    """
    hubs = "".join(f"# {name} {other.address} {other.ssh.host_key}\n" for name, other in stack.hubs().items())
    return hubs + scripts["lib.sh"] + assignments(variables(stack, harbor, hub)) + scripts["hub-preflight.sh"]


def variables(stack: Stack, harbor: Harbor, hub: Host) -> dict[str, str]:
    """What scripts/hub-preflight.sh asks for."""
    secrets, storage = stack.harbor_secrets, harbor.storage
    kind = "s3" if storage.s3 else "shared" if storage.shared else "local"
    return {
        "EVENKEEL_HOST": hub.name,
        "SSH_USER": hub.ssh.user,
        "MIRROR": stack.release.mirror.images if stack.release.mirror else "",
        "CONTAINERS": " ".join(one.name for one in containers(stack, hub)),
        "AUTHORITIES": _authorities(harbor),
        "STORAGE_KIND": kind,
        "STORAGE_PATH": storage.path or "",
        **_object_store(storage.s3, _text(secrets.storage_secret_key)),
        "STORE": harbor.store,
        "PGHOST": harbor.database.host,
        "PGPORT": str(harbor.database.port),
        "PGDATABASE": harbor.database.name,
        "PGUSER": harbor.database.user,
        "PGSSLMODE": harbor.database.ssl_mode,
        "PGPASSWORD": _text(secrets.database_password),
        "REDIS_ADDRESSES": " ".join(harbor.redis.addresses),
        "SENTINEL_MASTER": harbor.redis.sentinel_master or "",
        "REDIS_USER": harbor.redis.username or "",
        "REDIS_DATABASES": " ".join(map(str, dict(harbor.redis.databases).values())),
        "REDISCLI_AUTH": _text(secrets.redis_password),
    }


def other_storage(harbor: Harbor, said: Mapping[str, str]) -> str:
    """What is wrong when hubs see different folders under the same path, from what each one's check printed."""
    seen = {hub: text.partition("storage ")[2].strip() for hub, text in said.items()}
    if len(set(seen.values())) < 2:
        return ""
    path, hubs = harbor.storage.path, ", ".join(sorted(seen))
    return (
        f"evenkeel:harbor.storage.shared.path: {path}: is not the same folder on hubs {hubs}; "
        f"mount the same file system there on each of them ('findmnt {path}' says what is there now), and set "
        "evenkeel:repair to another word, so that the next up looks at the mounts again"
    )


def _authorities(harbor: Harbor) -> str:
    """What Harbor's containers will trust; the CA that the stack makes is left out, as it vouches for no store."""
    return (harbor.server_certificate.ca if harbor.server_certificate else "") + harbor.authorities


def _object_store(s3: S3 | None, secret_key: str) -> dict[str, str]:
    if s3 is None:
        return {}
    endpoint = s3.endpoint or f"https://s3.{s3.region}.amazonaws.com"
    parts = urlsplit(endpoint if "//" in endpoint else f"//{endpoint}", scheme="https" if s3.secure else "http")
    return {
        "S3_URL": f"{parts.scheme}://{parts.netloc}/{s3.bucket}",
        "S3_REGION": s3.region,
        "S3_ACCESS_KEY": s3.access_key or "",
        "S3_SECRET_KEY": secret_key,
    }


def _text(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""
