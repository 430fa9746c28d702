"""The command: looks at a master, writes the stack, says what `up` will change, what not, and what stands in the way.

Owns the order of these steps and how they are shown. Changes nothing on any host but where it is told to undo.
"""

import time
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from pydantic import SecretStr, ValidationError
from rich.console import Console

from ops.adopt import cluster as clusters
from ops.adopt import look, nearest, obstacles, plan, stack_file, values, way_back
from ops.adopt.cluster import KEYS
from ops.adopt.obstacles import Case
from ops.stacks import StackError
from releases import ReleaseError, read_release
from settings import Ssh, known_hosts
from settings.secret_keys import AUTHORITY_KEYS

console = Console(highlight=False)


def command(
    master: Annotated[str, typer.Argument(help="The master, as USER@HOST.")],
    stack: Annotated[str, typer.Option(help="The stack that shall have the cluster; `pulumi stack init` makes it.")],
    known: Annotated[str, typer.Option("--known-hosts", help="The file of the hosts' keys.")] = "known_hosts",
    identity: Annotated[str, typer.Option(help="The private key's file.")] = "~/.ssh/id_ed25519",
    agent: Annotated[bool, typer.Option("--agent", help="The SSH agent has the private key, and no file.")] = False,
    port: Annotated[int, typer.Option(help="Where its sshd listens.")] = 22,
    release: Annotated[str, typer.Option(help="The release that shall run; by default the one that is nearest.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Put the master back as it was, while it alone votes.")] = False,
) -> None:
    """Write the settings of a stack that grows a running kubeadm cluster in place, and say what its `up` will change.

    Only reads on the host, unless told to undo. What the stack's file says already stays. The authorities' keys become
    secrets of the stack once nothing stands in the way any more; ends with 1 before that.
    """
    try:
        ssh = _ssh(master, port, known, None if agent else identity)
        if undo:
            console.print(way_back.undo(ssh, stack), markup=False, soft_wrap=True)
            return
        asked = time.time()
        looked = look.at(ssh)
        read, found = time.time(), clusters.read(looked)
        if all(node.adopted for node in found.masters()):
            console.print(
                f"{found.node.name}: a stack has this cluster already; change that stack, and run `pulumi up`"
            )
            return
        file = read_release(release) if release else nearest.release(found.version)
        path = stack_file.path_of(stack)
        usual = plan.usual(found, ssh, file)
        told = values.of(found, usual, ssh, known, file.name)
        sections = obstacles.with_written(told, stack_file.sections(path))
        drawn = plan.sketch(sections, ssh, file)
        in_the_way = obstacles.of(Case(found, sections, drawn.release, usual, (asked, read)))
        _show("will change", list(plan.changes(found, drawn, sections["adopted"]["keeps"])))
        _show("will not", list(plan.stays(found, sections["adopted"]["keeps"])))
        console.print(f"{path}: {'written' if stack_file.write(path, sections) else 'unchanged'}")
        _show("stands in the way", in_the_way)
        if not in_the_way:
            changed = stack_file.set_secrets(stack, {AUTHORITY_KEYS[name]: found.files[KEYS[name]] for name in KEYS})
            console.print(f"secrets: {', '.join(changed) or 'unchanged'}")
    except (look.LookError, StackError, ReleaseError) as error:
        _fail(str(error))
    except ValidationError as error:
        _fail(f"{stack_file.path_of(stack)}: {error}; correct it, or take the section away")
    if in_the_way:
        raise typer.Exit(1)


def _ssh(master: str, port: int, known: str, identity: str | None) -> Ssh:
    user, _, host = master.rpartition("@")
    try:
        host_key = known_hosts.find(known_hosts.read(Path(known).expanduser()), [host], port)
    except OSError as error:
        raise look.LookError(f"{known}: cannot be read ({error.strerror}); name the file with --known-hosts") from error
    if host_key is None:
        remedy = f"read it with `ssh-keyscan -p {port} {host}`, compare it with the host's own, and add it there"
        raise look.LookError(f"{known}: has no key of {host}; {remedy}")
    return Ssh(host, port, user or "root", host_key, SecretStr(""), None, identity)


def _show(title: str, lines: list[str]) -> None:
    if lines:
        console.print(f"\n{title}:", style="bold", markup=False)
        for line in lines:
            console.print(f"  {line}", markup=False, soft_wrap=True)


def _fail(text: str) -> NoReturn:
    Console(stderr=True, highlight=False).print(text, style="red", markup=False, soft_wrap=True)
    raise typer.Exit(1)
