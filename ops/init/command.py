"""The command: asks, checks, has the hosts' keys pinned, writes the stack's file, and looks at the hosts.

Owns the order of these steps: nothing is written before all of it is known to be right, no key is pinned that nobody
consented to, and no file is overwritten. Changes nothing on any host.
"""

import re
import sys
import tempfile
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.prompt import Confirm

from ops import files, preflight
from ops.init import answers, pins, text
from ops.init.answers import HOST_FORM, Answers, Given, Source
from ops.init.asking import Asker
from ops.init.pins import End, Login, Seen
from releases import Mirror, ReleaseError, read_lock, read_release
from releases.store import known_releases, lock_path, relock
from settings import SettingsError, Stack, known_hosts
from settings.errors import key
from settings.paths import path_of

# A key for every name: what is checked before any host was asked lacks nothing but theirs.
STAND_IN = "* ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
STACK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
console, errors = Console(highlight=False, soft_wrap=True), Console(stderr=True, highlight=False, soft_wrap=True)


def command(
    stack: Annotated[str, typer.Argument(help="The new stack's name; its file will be Pulumi.STACK.yaml.")],
    host: Annotated[list[str] | None, typer.Option(help=f"A host, as {HOST_FORM}; may be given again.")] = None,
    user: Annotated[str | None, typer.Option(help="Who is let in there: root, or one who may sudo.")] = None,
    port: Annotated[int | None, typer.Option(help="Where their sshd listens.")] = None,
    private_key_file: Annotated[str | None, typer.Option(help="The SSH private key's file.")] = None,
    agent: Annotated[bool, typer.Option("--agent", help="The SSH agent has the private key.")] = False,
    known_hosts: Annotated[str | None, typer.Option(help="Where to pin keys; known_hosts.STACK unless set.")] = None,
    bastion: Annotated[str | None, typer.Option(help="The way to them, as [USER@]HOST[:PORT].")] = None,
    address: Annotated[str | None, typer.Option(help="Where clients find the API.")] = None,
    api_port: Annotated[int | None, typer.Option(help="The API's port there.")] = None,
    interface: Annotated[str | None, typer.Option(help="The load balancers' interface that carries it.")] = None,
    name: Annotated[str | None, typer.Option(help="The cluster's name; the stack's unless set.")] = None,
    environment: Annotated[str | None, typer.Option(help="development, staging or production.")] = None,
    pod_cidr: Annotated[str | None, typer.Option(help="Addresses of pods.")] = None,
    service_cidr: Annotated[str | None, typer.Option(help="Addresses of Services.")] = None,
    release: Annotated[str | None, typer.Option(help="The release that shall run; the newest unless set.")] = None,
    lock: Annotated[str | None, typer.Option(help="Its lock, if that is not beside the release.")] = None,
    mirror_artifacts: Annotated[str | None, typer.Option(help="Address of a mirror of the programs.")] = None,
    mirror_images: Annotated[str | None, typer.Option(help="Address of its registry.")] = None,
    accept_host_keys: Annotated[bool, typer.Option("--accept-host-keys", help="Pin the keys that are shown.")] = False,
    no_preflight: Annotated[bool, typer.Option("--no-preflight", help="Do not look at the hosts then.")] = False,
) -> None:
    """Begin a stack for hosts of your own: write Pulumi.STACK.yaml, pin the hosts' SSH keys, and check the hosts.

    What is not given is asked for at a terminal, and is as usual without one. Changes nothing on any host.
    """
    given = Given(
        *(tuple(host or ()), user, port, private_key_file, known_hosts, bastion, address, api_port, interface),
        *(name, environment, pod_cidr, service_cidr, release, lock, mirror_artifacts, mirror_images, agent),
    )
    path = _new(stack)
    found = _answers(stack, given)
    written = text.of(found)
    _check(written, found)
    _pin(found, accept_host_keys)
    settings = _parsed(written)
    files.put(path, written.encode())
    console.print(f"{path}: written", markup=False)
    if not no_preflight and not preflight.passed(settings, console, errors):
        _fail([f"{path} stays; see to what is missing, and run `python -m ops preflight --stack {stack}` then"])
    console.print(f"\nnext: pulumi stack init {stack} && pulumi preview --stack {stack}", markup=False)


def _new(stack: str) -> Path:
    path = Path(f"Pulumi.{stack}.yaml")
    if not STACK_NAME.fullmatch(stack):
        _fail([f"{stack}: is not a stack's name; use letters, digits, -, _ and ., beginning with a letter or digit"])
    if not Path("Pulumi.yaml").is_file():
        _fail([f"{Path.cwd()}: has no Pulumi.yaml; run this in the project's folder"])
    if path.exists() or path.is_symlink():
        _fail([f"{path}: is there already, and stays as it is; edit it, or choose another name for the stack"])
    return path


def _answers(stack: str, given: Given) -> Answers:
    ask = Asker(console, sys.stdin.isatty())
    source = answers.source(given, ask, known_releases())
    ask.faults += _unlocked(source)
    if ask.terminal and ask.faults:
        _fail(ask.faults)  # before the other questions: what stands in the way takes another command
    found = answers.rest(stack, given, ask, source)
    if ask.faults:
        _fail(ask.faults)
    return found


def _unlocked(source: Source) -> list[str]:
    """Why the release cannot be used as it is: most often its lock has not been written yet."""
    try:
        read_release(source.release)
    except ReleaseError as error:
        return [f"{key('release', 'name')}: {source.release}: {error}"]
    path = path_of(source.lock, Path.cwd()) if source.lock else lock_path(source.release)
    try:
        read_lock(path, source.release, remedy=relock(source.release, _mirror(source), source.lock or None))
    except ReleaseError as error:
        shown = source.lock or f"releases/{path.name}"
        return [f"{key('release', 'lock')}: {shown}: {error}"]
    return []


def _mirror(source: Source) -> Mirror | None:
    """For a remedy's words: whether these are addresses at all, the check of the whole file tells."""
    if not (source.mirror_artifacts and source.mirror_images):
        return None
    return Mirror.model_construct(artifacts=source.mirror_artifacts, images=source.mirror_images)


def _check(written: str, found: Answers) -> None:
    """All but the hosts' keys, before any host is asked."""
    with tempfile.TemporaryDirectory() as folder:
        stand_in = Path(folder) / "known_hosts"
        stand_in.write_text(STAND_IN)
        _parsed(written, stand_in, f"nothing was written; correct it:\n  {found.command()}")


def _parsed(written: str, known: Path | None = None, then: str = "") -> Stack:
    try:
        return text.checked(written, Path.cwd(), known)
    except SettingsError as error:
        _fail([*str(error).splitlines(), *([then] if then else [])])


def _pin(found: Answers, accept: bool) -> None:
    """The bastion's key first: the hosts' come through it."""
    path = path_of(found.known_hosts, Path.cwd())
    through = None
    if found.bastion:
        own = found.bastion
        end = End("bastion", own.host, int(own.port), key("ssh", "bastion", "host"))
        (seen,) = _consented(path, [end], None, accept)
        file = found.private_key_file
        through = Login(own.host, end.port, own.user, seen.key, None if file is None else path_of(file, Path.cwd()))
    ends = [End(host.name, host.address, int(found.port), key("hosts", host.name, "address")) for host in found.hosts]
    _consented(path, ends, through, accept)


def _consented(path: Path, ends: list[End], through: Login | None, accept: bool) -> list[Seen]:
    try:
        with console.status(f"reading the SSH keys of {', '.join(end.name for end in ends)}"):
            seen, faults = pins.read(ends, pins.entries(path), through)
    except OSError as error:
        _fail([f"{path}: cannot be read ({error.strerror}); name another file with --known-hosts"])
    if faults:
        _fail([*faults, "no key of these was pinned, and no file written"])
    _show(seen)
    new = [one for one in seen if not one.pinned]
    if new and not accept and not _yes(path):
        _fail(["nothing was pinned and no file written; compare the fingerprints, and run this again"])
    pins.add(path, new)
    if new:
        console.print(f"{path}: {len(new)} pinned", markup=False)
    return seen


def _show(seen: list[Seen]) -> None:
    for one in seen:
        where = known_hosts.name_of(one.end.host, one.end.port)
        known = " (pinned already)" if one.pinned else ""
        console.print(f"{one.end.name} {where} {one.key.split()[0]} {one.fingerprint}{known}", markup=False)


def _yes(path: Path) -> bool:
    if not sys.stdin.isatty():
        errors.print(
            "--accept-host-keys: is not given, and there is no terminal to ask at; compare the fingerprints above, "
            "and give it if they are the hosts' own",
            style="red",
            markup=False,
        )
        return False
    console.print("Each host tells its own, at its console: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub")
    return Confirm.ask(f"Are these the hosts' own, to be pinned in {path}?", console=console, default=False)


def _fail(lines: list[str]) -> NoReturn:
    for line in lines:
        errors.print(line, style="red", markup=False)
    raise typer.Exit(1)
