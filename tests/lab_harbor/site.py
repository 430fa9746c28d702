"""A site of Harbor on loopback: nodes of stand-ins that share a database, Redis, keys and the registry's storage.

Owns: the files and the environment that Harbor's own configuration gives its containers, and the processes. A test
changes a key on one node by giving that node's ``core(...)`` or ``registry(...)`` another value.

The tests hold for Harbor's own programs too, but for those that are ``stand_in_only``. To point them there, name in
EVENKEEL_HARBOR a folder that holds core, jobservice, registryctl, and ``migrations`` from make/ of Harbor's source.
"""

import contextlib
import itertools
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import bcrypt
import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from lab import toolchain
from tests.lab_harbor.stores import PASSWORD, Stores, listens, until
from tests.ports import free_port

OFFICIAL = os.environ.get("EVENKEEL_HARBOR")
_numbers = itertools.count()
ADMIN = ("admin", "Harbor12345")


def stand_in_only(reason: str) -> pytest.MarkDecorator:
    """Marks a test that says nothing of Harbor's own programs, and why not."""
    return pytest.mark.skipif(bool(OFFICIAL), reason=reason)


def harbor(program: str) -> str:
    """One of the stand-ins, or of Harbor's own programs."""
    return f"{OFFICIAL}/{program}" if OFFICIAL else str(toolchain.binary("harbor", program))


def rsa_key(form: serialization.PrivateFormat = serialization.PrivateFormat.TraditionalOpenSSL) -> str:
    """A new token key; Harbor takes PKCS#1 only, ``TraditionalOpenSSL``."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


@dataclass(frozen=True)
class Keys:
    """What has to be equal on all nodes."""

    token_key: str = field(default_factory=rsa_key)
    secret_key: str = "0123456789abcdef"
    csrf_key: str = "c" * 32
    core_secret: str = "core-secret-0123"
    jobservice_secret: str = "jobs-secret-0123"
    http_secret: str = "http-secret-0123"
    registry_password: str = "registry-password"


@dataclass
class Program:
    """A running stand-in: its process, where it answers, what it has logged."""

    process: subprocess.Popen[bytes]
    port: int
    folder: Path

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """All that it has written so far."""
        return (self.folder / "log").read_text()

    def client(self, **options: Any) -> httpx.Client:
        """A new client, without the cookies of any other."""
        return httpx.Client(base_url=self.url, timeout=30, **options)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request of a client that never was here before."""
        with self.client() as client:
            return client.request(method, path, **options)

    def token(self, scope: str | None = None, who: tuple[str, str] | None = ADMIN) -> str:
        """A token that this node minted."""
        query = {"service": "harbor-registry"} | ({"scope": scope} if scope else {})
        response = self.request("GET", "/service/token", params=query, auth=who)
        assert response.status_code == 200, response.text
        token: str = response.json()["token"]
        return token

    def end(self, how: signal.Signals = signal.SIGKILL) -> int:
        """Ends it; the exit code."""
        self.process.send_signal(how)
        return self.process.wait(30)


@dataclass
class Site:
    """What the nodes share. Each site has a database, and two databases of Redis, of its own."""

    folder: Path
    stores: Stores
    number: int
    keys: Keys = field(default_factory=Keys)
    _programs: list[Program] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stores.sql("postgres", f"CREATE DATABASE {self.database}")
        for number in (2 * self.number, 2 * self.number + 1):
            self.stores.redis(number, "flushdb")

    @property
    def database(self) -> str:
        """Its name."""
        return f"site{self.number}"

    def sql(self, statement: str) -> str:
        """One statement in the site's database."""
        return self.stores.sql(self.database, statement)

    def sessions(self) -> int:
        """How many sessions the cores have left in Redis."""
        return int(self.stores.redis(2 * self.number, "dbsize"))

    def close(self) -> None:
        """Ends every program that still runs."""
        for program in self._programs:
            program.process.kill()
            program.process.wait()

    def registry(self, **changed: str) -> Program:
        """A registry of a node, on the storage that all share."""
        keys = replace(self.keys, **changed)
        folder, port = self._node("registry"), free_port()
        hashed = bcrypt.hashpw(keys.registry_password.encode(), bcrypt.gensalt(4)).decode()
        (folder / "passwd").write_text(f"harbor_registry_user:{hashed}\n")
        (folder / "config.yml").write_text(
            f"version: 0.1\nstorage:\n  filesystem: {{rootdirectory: {self.folder / 'storage'}}}\n"
            f"  delete: {{enabled: true}}\nhttp: {{addr: 127.0.0.1:{port}, secret: {keys.http_secret}}}\n"
            f"auth: {{htpasswd: {{realm: harbor-registry-basic-realm, path: {folder / 'passwd'}}}}}\n"
        )
        binary = toolchain.binary("registry", "registry")
        return self._start([str(binary), "serve", str(folder / "config.yml")], {}, port, folder)

    def core(
        self, registry: Program | None = None, *, version: str = "2.15.2", wait: bool = True, mode: str = "normal",
        environment: dict[str, str] | None = None, jobservice_port: int = 9, **changed: str,
    ) -> Program:  # fmt: skip
        """A core. ``changed`` keys are this node's only; ``environment`` overrides Harbor's own, empty values unset."""
        keys = replace(self.keys, **changed)
        folder, port = self._node("core"), free_port()
        (folder / "secret").mkdir()
        (folder / "secret/private_key.pem").write_text(keys.token_key)
        (folder / "key").write_text(keys.secret_key)
        (folder / "app.conf").write_text(f"appname = Harbor\nrunmode = prod\n\n[prod]\nhttpport = {port}\n")
        settings = self._environment(keys, folder, port) | {
            "HARBOR_STANDIN_VERSION": version,
            "REGISTRY_URL": registry.url if registry else "http://127.0.0.1:9",
            "JOBSERVICE_URL": f"http://127.0.0.1:{jobservice_port}",
        }
        settings = {name: value for name, value in (settings | (environment or {})).items() if value}
        program = self._start([harbor("core"), f"-mode={mode}"], settings, port, folder, wait=wait)
        if wait:
            until(lambda: "http server Running" in program.log, "core")
        return program

    def _environment(self, keys: Keys, folder: Path, port: int) -> dict[str, str]:
        redis = f"redis://127.0.0.1:{self.stores.redis_port}"
        return {
            "CONFIG_PATH": f"{folder}/app.conf",
            "KEY_PATH": f"{folder}/key",
            "TOKEN_PRIVATE_KEY_PATH": f"{folder}/secret/private_key.pem",
            "_REDIS_URL_CORE": f"{redis}/{2 * self.number}?idle_timeout_seconds=30",
            "_REDIS_URL_REG": f"{redis}/{2 * self.number + 1}?idle_timeout_seconds=30",
            "POSTGRESQL_HOST": "127.0.0.1",
            "POSTGRESQL_PORT": str(self.stores.postgres_port),
            "POSTGRESQL_USERNAME": "harbor",
            "POSTGRESQL_PASSWORD": PASSWORD,
            "POSTGRESQL_DATABASE": self.database,
            "POSTGRESQL_SSLMODE": "disable",
            "CORE_SECRET": keys.core_secret,
            "JOBSERVICE_SECRET": keys.jobservice_secret,
            "CSRF_KEY": keys.csrf_key,
            "CORE_URL": f"http://127.0.0.1:{port}",
            "EXT_ENDPOINT": "http://hub.test",
            "REGISTRY_CREDENTIAL_USERNAME": "harbor_registry_user",
            "REGISTRY_CREDENTIAL_PASSWORD": keys.registry_password,
            "HARBOR_ADMIN_PASSWORD": ADMIN[1],
            "POSTGRES_MIGRATION_SCRIPTS_PATH": f"{OFFICIAL}/migrations/postgresql" if OFFICIAL else "",
        }

    def registryctl(self, registry: Program, **changed: str) -> Program:
        """The registryctl beside a registry."""
        keys = replace(self.keys, **changed)
        folder, port = self._node("registryctl"), free_port()
        text = f'protocol: "http"\nport: {port}\nlog_level: info\nregistry_config: "{registry.folder}/config.yml"\n'
        (folder / "config.yml").write_text(text)
        environment = {"CORE_SECRET": keys.core_secret, "JOBSERVICE_SECRET": keys.jobservice_secret}
        return self._start([harbor("registryctl"), "-c", f"{folder}/config.yml"], environment, port, folder)

    def jobservice(
        self, core_url: str, registryctl: Program | None = None, *, port: int = 0, wait: bool = True, **changed: str
    ) -> Program:
        """The jobservice of a node."""
        keys = replace(self.keys, **changed)
        folder, port = self._node("jobservice"), port or free_port()
        (folder / "config.yml").write_text(
            f"protocol: http\nport: {port}\nworker_pool:\n  workers: 10\n  backend: redis\n  redis_pool:\n"
            f"    redis_url: redis://127.0.0.1:{self.stores.redis_port}/{2 * self.number + 1}\n"
            "    namespace: harbor_job_service_namespace\n    idle_timeout_second: 3600\n"
            "job_loggers: [{name: DB, level: INFO}]\nloggers: [{name: STD_OUTPUT, level: INFO}]\n"
        )
        environment = {
            "CORE_SECRET": keys.core_secret,
            "JOBSERVICE_SECRET": keys.jobservice_secret,
            "CORE_URL": core_url,
            "REGISTRY_CONTROLLER_URL": registryctl.url if registryctl else "http://127.0.0.1:9",
        }
        return self._start([harbor("jobservice"), "-c", f"{folder}/config.yml"], environment, port, folder, wait=wait)

    def _node(self, service: str) -> Path:
        folder = self.folder / f"{len(self._programs)}-{service}"
        folder.mkdir(parents=True)
        return folder

    def _start(
        self, command: list[str], environment: dict[str, str], port: int, folder: Path, *, wait: bool = True
    ) -> Program:
        with (folder / "log").open("wb") as log:
            environment = {"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"} | environment
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
        program = Program(process, port, folder)
        self._programs.append(program)
        if wait:
            until(lambda: listens(port) or process.poll() is not None, command[0])
            assert process.poll() is None, program.log
        return program


@contextlib.contextmanager
def site(folder: Path, stores: Stores) -> Iterator[Site]:
    """A site whose programs end with the test."""
    found = Site(folder, stores, next(_numbers))
    try:
        yield found
    finally:
        found.close()
