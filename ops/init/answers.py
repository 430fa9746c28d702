"""What a stack's file is written from: the questions, what is usual, and how options say the same.

Owns these. Does not own asking (``ops.init.asking``), or whether the answers go together: ``settings`` says that of the
whole file.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Annotated

from pydantic import AfterValidator

from ops.init.asking import Asker
from settings.draft import HOSTS
from settings.errors import EXAMPLE, fault
from settings.fields import Address, Cidr, HttpUrl, Interface, Name, Port, User, refuse

HOST_FORM = "NAME:ADDRESS:ROLE,ROLE"
HOST_EXAMPLE = "shaolin:192.0.2.11:master"
ROLES = ("master", "worker", "lb")
ENVIRONMENTS = ("development", "staging", "production")
API_PORT, SHARED_API_PORT = "6443", "8443"  # a load balancer on a master's host leaves the apiserver's port alone
BASTION_FORM, BASTION_EXAMPLE = "[USER@]HOST[:PORT]", "deploy@192.0.2.5:22"
_BASTION = re.compile(r"((?P<user>[^@]+)@)?(?P<host>[^@:]+)(:(?P<port>\d+))?")


def _roles(typed: str) -> str:
    unknown = [role for role in typed.split(",") if role.strip() not in ROLES]
    if unknown:
        raise refuse(f"has {', '.join(unknown)} in it", f"choose of {', '.join(ROLES)}, with a comma between them")
    return typed


def _bastion_form(typed: str) -> str:
    if not _BASTION.fullmatch(typed):
        raise refuse(f"is not {BASTION_FORM}", f"write it like {BASTION_EXAMPLE}")
    return typed


Roles = Annotated[str, AfterValidator(_roles)]
Bastion = Annotated[str, AfterValidator(_bastion_form)]


@dataclass(frozen=True)
class HostAnswer:
    """One host."""

    name: str
    address: str
    roles: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}:{self.address}:{','.join(self.roles)}"


@dataclass(frozen=True)
class BastionAnswer:
    """The host through which the others are reached."""

    host: str
    port: str
    user: str


@dataclass(frozen=True)
class Given:
    """The options, as they were given or not."""

    host: tuple[str, ...] = ()
    user: str | None = None
    port: int | None = None
    private_key_file: str | None = None
    known_hosts: str | None = None
    bastion: str | None = None
    address: str | None = None
    api_port: int | None = None
    interface: str | None = None
    name: str | None = None
    environment: str | None = None
    pod_cidr: str | None = None
    service_cidr: str | None = None
    release: str | None = None
    lock: str | None = None
    mirror_artifacts: str | None = None
    mirror_images: str | None = None
    agent: bool = False


@dataclass(frozen=True)
class Source:
    """Which release runs, and where it comes from; what is empty was not given."""

    release: str
    lock: str
    mirror_artifacts: str
    mirror_images: str


@dataclass(frozen=True)
class Answers:
    """All that a stack's file is written from; what is empty stays out of it.

    ``private_key_file`` is None where an SSH agent has the key.
    """

    stack: str
    source: Source
    name: str
    environment: str
    hosts: tuple[HostAnswer, ...]
    user: str
    port: str
    private_key_file: str | None
    known_hosts: str
    bastion: BastionAnswer | None
    address: str
    api_port: str
    interface: str
    pod_cidr: str
    service_cidr: str

    def command(self) -> str:
        """The command line that gives the same answers, so that nothing has to be typed again."""
        bastion = self.bastion
        options = {
            **{name: getattr(self.source, name) for name in ("release", "lock", "mirror_artifacts", "mirror_images")},
            **{field.name: getattr(self, field.name) for field in fields(self)},
            "bastion": f"{bastion.user}@{bastion.host}:{bastion.port}" if bastion else "",
        }
        words = ["--agent"] if self.private_key_file is None else []
        words += [word for host in self.hosts for word in ("--host", str(host))]
        for name, value in options.items():
            if name not in ("stack", "source", HOSTS) and value:
                words += [f"--{name.replace('_', '-')}", value]
        return shlex.join(["python", "-m", "ops", "init", self.stack, *words])


def source(given: Given, ask: Asker, releases: list[str]) -> Source:
    """What must be known first, since nothing goes without it."""
    release = ask.text("--release", given.release, "Release", releases[-1], choices=releases)
    artifacts = ask.text(
        "--mirror-artifacts", given.mirror_artifacts, "Address of a mirror of the programs (none: empty)", "", HttpUrl
    )
    images = given.mirror_images or ""
    if artifacts:
        images = ask.text("--mirror-images", given.mirror_images, "Address of its registry", kind=HttpUrl)
    elif images:
        ask.faults.append("--mirror-images: is given without --mirror-artifacts; a mirror serves both: give both")
    return Source(release, given.lock or "", artifacts, images)


def rest(stack: str, given: Given, ask: Asker, of: Source) -> Answers:
    """Everything else, in the order in which one knows it."""
    name = ask.text("--name", given.name, "Name of the cluster", stack, Name)
    environment = ask.text("--environment", given.environment, "Environment", ENVIRONMENTS[1], choices=ENVIRONMENTS)
    hosts = tuple(_hosts(given, ask))
    user = ask.text("--user", given.user, "User on the hosts: root, or one who may sudo", "root", User)
    address, api_port, interface = _load_balancer(given, ask, hosts)
    return Answers(
        stack=stack,
        source=of,
        name=name,
        environment=environment,
        hosts=hosts,
        user=user,
        port=ask.text("--port", _digits(given.port), "Port of their sshd", "22", Port),
        private_key_file=_private_key_file(given, ask),
        known_hosts=given.known_hosts or f"known_hosts.{stack}",
        bastion=_bastion(given, ask, user),
        address=address,
        api_port=api_port,
        interface=interface,
        pod_cidr=ask.text("--pod-cidr", given.pod_cidr, "Addresses of pods", "10.244.0.0/16", Cidr),
        service_cidr=ask.text("--service-cidr", given.service_cidr, "Addresses of Services", "10.96.0.0/16", Cidr),
    )


def _hosts(given: Given, ask: Asker) -> Iterator[HostAnswer]:
    if given.host:
        for text in given.host:
            yield from _host(text, ask)
    elif not ask.terminal:
        ask.faults.append(f"--host: is not given, and there is no terminal to ask at; give each as {HOST_FORM}")
    else:
        yield from _typed_hosts(ask)


def _host(text: str, ask: Asker) -> Iterator[HostAnswer]:
    parts = text.split(":")
    if len(parts) != 3 or not all(parts):
        ask.faults.append(f"--host: {text}: is not {HOST_FORM}; write it like {HOST_EXAMPLE}")
        return
    host = HostAnswer(parts[0], parts[1], tuple(role.strip() for role in parts[2].split(",")))
    if "hub" in host.roles:
        what = "is not served by init, since Harbor wants stores and passwords of its own"
        remedy = f"bring the cluster up without it, and add Harbor afterwards; {EXAMPLE}"
        ask.faults.append(str(fault([HOSTS, host.name, "roles"], "hub", what, remedy)))
    yield host


def _typed_hosts(ask: Asker) -> Iterator[HostAnswer]:
    names: list[str] = []
    while True:
        end = "" if names else None
        name = ask.text("--host", None, "Name of another host (none: empty)" if names else "Name of a host", end, Name)
        if not name:
            return
        address = ask.text("--host", None, f"Address of {name} on the cluster's network", kind=Address)
        roles = ask.text("--host", None, f"Roles of {name}, of {', '.join(ROLES)}", "master,lb", Roles)
        if name in names:
            ask.faults.append(f"--host: {name}: is named twice; give each host a name of its own")
        names.append(name)
        yield from _host(f"{name}:{address}:{roles}", ask)


def _private_key_file(given: Given, ask: Asker) -> str | None:
    if given.agent and given.private_key_file:
        ask.faults.append(f"--agent: is given, and so is --private-key-file {given.private_key_file}; give one of them")
    if given.agent:
        return None
    what = "File of the SSH private key (where an SSH agent has it, begin anew with --agent)"
    return ask.text("--private-key-file", given.private_key_file, what, "~/.ssh/id_ed25519")


def _bastion(given: Given, ask: Asker, user: str) -> BastionAnswer | None:
    what = f"Bastion that leads to them, as {BASTION_FORM} (none: empty)"
    text = ask.text("--bastion", given.bastion, what, "", Bastion)
    if not text:
        return None
    match = _BASTION.fullmatch(text)
    if match is None:
        ask.faults.append(f"--bastion: {text}: is not {BASTION_FORM}; write it like {BASTION_EXAMPLE}")
        return None
    return BastionAnswer(match["host"], match["port"] or "22", match["user"] or user)


def _load_balancer(given: Given, ask: Asker, hosts: tuple[HostAnswer, ...]) -> tuple[str, str, str]:
    """The API's address and port, and the interface that carries the address where it moves."""
    balancers = [host for host in hosts if "lb" in host.roles]
    shared = any("master" in host.roles for host in balancers)
    port = SHARED_API_PORT if shared else API_PORT
    if len(balancers) > 1:
        address = ask.text("--address", given.address, "Address of the API, of no host's own", kind=Address)
        what = "Network interface of the load balancers that carries it (something else moves it: empty)"
        interface = ask.text("--interface", given.interface, what, "", Interface)
    else:
        usual = balancers[0].address if balancers else None
        address = ask.text("--address", given.address, "Address of the API", usual, Address)
        interface = given.interface or ""
    return address, ask.text("--api-port", _digits(given.api_port), "Port of the API", port, Port), interface


def _digits(number: int | None) -> str | None:
    return None if number is None else str(number)
