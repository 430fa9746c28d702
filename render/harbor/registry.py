"""The registry: distribution 2.8.3 as Harbor patches it, in front of the blobs.

Its configuration holds the http.secret and the passwords of Redis and of the object store, so that the whole of it is
a secret. Its environment is empty: ``docker inspect`` shows nothing. ``passwd`` is read again when it was replaced;
without that file the registry would invent a user, hence the folder that it can't write to.
"""

import base64
import hashlib
import string
from typing import Any

from render.files import File
from render.harbor import layout, log, names
from render.harbor.container import Container, Mount, ask
from render.harbor.secrets import REGISTRY_USER, HarborSecrets
from render.harbor.site import Site
from render.yaml_text import yaml_text

FOLDER = layout.of("registry")
CONFIG = f"{FOLDER}/config.yml"
INSIDE = "/etc/registry"
STORAGE = "/storage"
USERS_OF_REDIS_FROM = (2, 15)

# htpasswd's own default, and upstream's. The registry hashes the password at every request: 2 ms, and 60 ms with 10.
BCRYPT_COST = 5
_LETTERS = f"{string.ascii_uppercase}{string.ascii_lowercase}{string.digits}"
_BCRYPT_BASE64 = str.maketrans(f"{_LETTERS}+/", f"./{_LETTERS}")

UPLOAD_PURGING = {"enabled": True, "age": "168h", "interval": "24h", "dryrun": False}


def secret_files(site: Site, secrets: HarborSecrets) -> list[File]:
    """The configuration, the one user's bcrypt line, and the token's certificate, which Harbor 1.x's registry reads."""
    config = yaml_text(configuration(site, secrets))
    return [
        File(CONFIG, config, mode="0600", owner=layout.HARBOR_USER),
        File(f"{FOLDER}/passwd", passwd(secrets.registry_password), mode="0600", owner=layout.HARBOR_USER),
        File(f"{FOLDER}/root.crt", secrets.token_certificate, owner=layout.HARBOR_USER),
    ]


def passwd(password: str) -> str:
    """The htpasswd line of the registry's one user: the same on every run, for its salt comes from the password.

    That tells nothing of a password which nobody can guess. A hash that is new on each run would be a change.
    """
    import bcrypt  # only who makes the secrets waits for it to load

    salt = base64.b64encode(hashlib.sha256(f"salt {password}".encode()).digest()[:16]).decode().rstrip("=")
    hashed = bcrypt.hashpw(password.encode(), f"$2b${BCRYPT_COST:02}${salt.translate(_BCRYPT_BASE64)}".encode())
    return f"{REGISTRY_USER}:{hashed.decode()}\n"


def container(site: Site) -> Container:
    """Listens on the network of the containers only; its port is published nowhere."""
    return Container(
        service="registry",
        image="harbor-registry",
        aliases=("registry",),
        log=log.driver("registry"),
        user=layout.HARBOR_USER,
        mounts=mounts(site),
        capabilities=("CHOWN", "SETGID", "SETUID"),
        health=ask("http://localhost:5000"),
        files=(CONFIG, layout.TRUSTED_CA),
    )


def mounts(site: Site) -> tuple[Mount, ...]:
    """What the registry and its controller share: configuration, blobs, authorities."""
    blobs = layout.blobs(site)
    return (
        Mount(FOLDER, INSIDE),
        Mount(layout.TRUST, layout.TRUST_INSIDE),
        *([Mount(blobs, STORAGE, read_only=False)] if blobs else []),
    )


def configuration(site: Site, secrets: HarborSecrets) -> dict[str, Any]:
    """config.yml, as data."""
    return {
        "version": 0.1,
        "log": {"level": names.LOG_LEVEL, "fields": {"service": "registry"}},
        "storage": {
            "cache": {"layerinfo": "redis"},
            **_storage(site, secrets),
            "maintenance": {"uploadpurging": UPLOAD_PURGING},
            "delete": {"enabled": True},
        },
        "redis": _redis(site, secrets),
        "http": {"addr": ":5000", "secret": secrets.registry_http_secret, "debug": _debug(site)},
        "auth": {"htpasswd": {"realm": "harbor-registry-basic-realm", "path": f"{INSIDE}/passwd"}},
        "validation": {"disabled": True},
        "compatibility": {"schema1": {"enabled": True}},
    }


def _storage(site: Site, secrets: HarborSecrets) -> dict[str, Any]:
    s3 = site.harbor.storage.s3
    if s3 is None:
        return {"filesystem": {"rootdirectory": STORAGE}}
    given = {
        "region": s3.region,
        "bucket": s3.bucket,
        "regionendpoint": s3.endpoint,
        "accesskey": s3.access_key,
        "secretkey": secrets.storage_secret_key if s3.access_key else None,
    }
    return {
        "s3": {
            **{name: value for name, value in given.items() if value is not None},
            "rootdirectory": s3.root_directory,
            "secure": s3.secure,
        },
        **({} if s3.redirect else {"redirect": {"disable": True}}),
    }


def _redis(site: Site, secrets: HarborSecrets) -> dict[str, Any]:
    redis = site.harbor.redis
    user = redis.username if site.version >= USERS_OF_REDIS_FROM else None
    login = {"username": user, "password": secrets.redis_password if site.redis_password else None}
    return {
        "addr": ",".join(site.redis_addresses),
        **({"sentinelMasterSet": redis.sentinel_master} if redis.sentinel_master else {}),
        "readtimeout": "10s",
        "writetimeout": "10s",
        "dialtimeout": "10s",
        **{name: value for name, value in login.items() if value},
        "db": redis.databases.registry,
        "enableTLS": False,
        "pool": {"maxidle": 100, "maxactive": 500, "idletimeout": "60s"},
    }


def _debug(site: Site) -> dict[str, Any]:
    if not site.harbor.exporter:
        return {"addr": "localhost:5001"}
    return {"addr": f":{names.METRICS_PORT}", "prometheus": {"enabled": True, "path": names.METRICS_PATH}}
