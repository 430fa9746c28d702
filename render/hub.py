"""What the scripts of a hub (scripts/hub*.sh) are told: settings, credentials, and what its containers should be.

Owns these files, and the fingerprints by which a hub sees whether a container runs with what the stack wants: digests
keyed with a secret of the stack, so that they say nothing about what is behind them. Does not own Harbor's own files
(``render.harbor``), nor what the scripts do.
"""

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from render.files import File
from render.harbor.container import Container
from render.harbor.secrets import HarborSecrets
from render.scripts import assignments
from settings import Harbor, Host, Stack
from settings.fields import seconds

FOLDER = "/etc/evenkeel/harbor/hub"
PLAIN_PART, SECRET_PART = "harbor", "harbor.secret"
PROBE_ROBOT = "evenkeel-probe"
ROBOT_PREFIX = "robot$"  # Harbor's own, before every robot's name
PROBE_REPOSITORY = "library/evenkeel-probe"
CA = f"{FOLDER}/ca.crt"


@dataclass(frozen=True, repr=False)
class Keys:
    """``fingerprint`` is the key of all digests, ``probe`` the password of the robot that tries the hubs."""

    fingerprint: str
    probe: str


def plain_files(stack: Stack, hub: Host) -> list[File]:
    """The settings of the hub's scripts, as shell variables."""
    return [File(f"{FOLDER}/settings", assignments(variables(stack, hub)))]


def secret_files(
    stack: Stack,
    containers: Iterable[Container],
    revisions: Mapping[str, str],
    secrets: HarborSecrets,
    keys: Keys,
    rendered: Iterable[File],
) -> list[File]:
    """Credentials, the containers with their revisions, and what each of these should be running with."""
    harbor = _harbor(stack)
    database = harbor.database
    login = ":".join(map(_escaped, ("*", "*", database.name, database.user, secrets.database_password)))
    wanted = "".join(f"{name} {revision}\n" for name, revision in revisions.items())
    rows = "".join(f"{' '.join(row)}\n" for row in fingerprints(keys.fingerprint, containers, secrets, rendered))
    robot = {"PROBE_ROBOT": f"{ROBOT_PREFIX}{PROBE_ROBOT}", "PROBE_PASSWORD": keys.probe}
    return [
        File(CA, secrets.ca),
        _secret("pgpass", f"{login}\n"),
        _secret("redis", assignments({"REDISCLI_AUTH": secrets.redis_password})),
        _secret("probe", assignments(robot)),
        _secret("fingerprint-key", keys.fingerprint),
        File(f"{FOLDER}/fingerprints", rows),
        File(f"{FOLDER}/containers", wanted),
    ]


def variables(stack: Stack, hub: Host) -> dict[str, str]:
    """The names are those that scripts/hub.sh lists."""
    harbor = _harbor(stack)
    pages = [f"{host.address}:{stack.load_balancer.status_port}" for host in stack.load_balancers().values()]
    return {
        "HUB": hub.name,
        "ADDRESS": hub.address,
        "HARBOR_URL": f"https://{harbor.registry}",
        "HARBOR_PORT": str(harbor.port),
        "HUBS": " ".join(f"{name}={other.address}" for name, other in stack.hubs().items()),
        "LOAD_BALANCERS": " ".join(pages),
        "DRAIN": str(int(seconds(harbor.drain))),
        "HARBOR_VERSION": stack.release.versions.harbor,
        "STORAGE": harbor.storage.path or "",
        "PROBE_REPOSITORY": PROBE_REPOSITORY,
        "PGHOST": harbor.database.host,
        "PGPORT": str(harbor.database.port),
        "PGDATABASE": harbor.database.name,
        "PGUSER": harbor.database.user,
        "PGSSLMODE": harbor.database.ssl_mode,
    }


def revision(
    key: str, container: Container, image: str, secrets: HarborSecrets, rendered: Iterable[File], machine: str
) -> str:
    """Changes with everything for which the container must be replaced. ``machine`` stands for the host itself."""
    texts = {file.path: file.content for file in rendered}
    plain = {name: value for name, value in vars(container).items() if name != "secret_env"}
    spec = repr((plain, container.secret_values(secrets), image, machine))
    content = "".join(f"{path}\n{texts[path]}\n" for path in sorted(container.files))
    return hmac.new(key.encode(), f"{spec}\n{content}".encode(), hashlib.sha256).hexdigest()[:16]


def fingerprints(
    key: str, containers: Iterable[Container], secrets: HarborSecrets, rendered: Iterable[File]
) -> Iterator[tuple[str, str, str, str]]:
    """``service env NAME digest`` and ``service file PATH digest``, paths as the container sees them.

    No ``NAME_FILE``: an image's entry point reads the file, which has a row of its own, and then unsets the variable.
    """
    files = list(rendered)
    for container in containers:
        variables = {**container.env, **container.secret_values(secrets)}
        for name, value in variables.items():
            if name.endswith("_FILE"):
                continue
            yield container.service, "env", name, fingerprint(key, value)
        for mount in container.mounts:
            for file in files:
                inside = file.path.removeprefix(mount.source)
                if inside != file.path and inside[:1] in ("", "/"):
                    yield container.service, "file", mount.target + inside, fingerprint(key, file.content)


def fingerprint(key: str, text: str) -> str:
    """As scripts/hub-probe.sh has it from sha256sum."""
    return hashlib.sha256(f"{key}\n{text}".encode()).hexdigest()[:16]


def _harbor(stack: Stack) -> Harbor:
    if stack.harbor is None:
        raise ValueError("the stack has no Harbor")
    return stack.harbor


def _secret(name: str, text: str) -> File:
    return File(f"{FOLDER}/{name}", text, mode="0600")


def _escaped(field: str) -> str:
    """A field of PostgreSQL's password file."""
    return field if field == "*" else field.replace("\\", "\\\\").replace(":", "\\:")
