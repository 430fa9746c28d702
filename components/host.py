"""One host and everything that reaches it: connection, quoting, staging, secrecy and messages of failure.

Owns how text gets to a host. Does not own which text (``render``), nor what is done there (``scripts``), nor in which
order hosts have their turn (``components.rollout``).
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pulumi

from components.registered import given
from components.remote_command import RemoteCommand
from render import way_in
from render.files import File, stage_script, wrap
from render.scripts import ON_HOST, call, privileged_shell, retiring
from settings import Bastion, Host, Ssh

# A host that does not answer is reported after (1 + DIALS) * SECONDS_A_DIAL: long enough for lost packets and for
# an SSH server that refuses a rush of connections, and short enough to wait for.
DIALS = 3
SECONDS_A_DIAL = 5

# The last line that a stage command prints: which run of it this was.
TELL_RUN = "cut -c 1-8 /proc/sys/kernel/random/uuid\n"

Parts = Mapping[str, Sequence[File]]
Texts = Mapping[str, pulumi.Output[str]]
Text = str | pulumi.Output[str]
T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class RemoteHostArgs:
    """``host``: the host's settings, with its way in (user, port, pinned key, bastion) resolved.

    ``repair``: any word; another one makes every step on the host run again.
    """

    host: Host
    repair: str = ""


@dataclass(frozen=True)
class Staged:
    """What a stage command leaves on a host: an activation runs again when ``revision`` or ``run`` changes.

    ``revision`` is a digest of the files, known in a preview. ``run`` is another one each time that the command ran:
    after a turn that failed, the engine still has the inputs of the last turn that didn't, so that going back to the
    earlier files would look to it as if nothing had happened.
    """

    command: RemoteCommand
    revision: pulumi.Output[str]
    run: pulumi.Output[str]


class RemoteHost(pulumi.ComponentResource):
    """A host reached by SSH. Files travel on standard input: plain ones readable in a preview, secret ones never."""

    def __init__(self, name: str, args: RemoteHostArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("evenkeel:index:RemoteHost", name, None, opts)
        self.settings = args.host
        self._again = f" {args.repair}" if args.repair else ""
        self._connection = _connection(args.host)
        self._shell = privileged_shell(args.host)
        self._tells = pulumi.ErrorHook(f"{name}-way-in", self._tell)
        self.register_outputs({"address": args.host.address})

    def run(
        self,
        step: str,
        body: Text,
        parent: pulumi.Resource,
        depends_on: pulumi.Input[Sequence[pulumi.Resource]] = (),
        secret: bool = False,
        on_error: Sequence[pulumi.ErrorHook] = (),
        before_create: Sequence[pulumi.ResourceHook] = (),
        because: Text = "",
        retires: str = "",
    ) -> RemoteCommand:
        """Runs the shell lines ``body`` as root, once and again whenever they or ``because`` change.

        They see ``$1``: ``first`` when this step is new to the stack's state, ``again`` afterwards.
        ``retires`` is the role, or ``trust``, that is taken away from the host when this step leaves the stack and the
        host stays. A host that leaves as a whole may be dead, so nobody asks it (docs/hosts.md).
        """
        text = _mapped(body, wrap)
        inputs = {
            "connection": self._connection,
            "create": f"{self._shell} -- first",
            "update": _mapped(because, lambda reason: f"{self._shell} -- again{self._again}{reason}"),
            "delete": retiring(self.settings, retires) if retires else None,
            "stdin": pulumi.Output.secret(text) if secret else text,
            "logging": "none" if secret else "stderr",
            "addPreviousOutputInEnv": False,
        }
        opts = pulumi.ResourceOptions(
            parent=parent,
            depends_on=depends_on,
            hooks=pulumi.ResourceHookBinding(on_error=[self._tells, *on_error], before_create=[*before_create]),
            hide_diffs=["update"],
            deleted_with=self if retires else None,
        )
        return RemoteCommand(f"{self.settings.name}-{step}", inputs, opts)

    def _tell(self, failed: pulumi.ErrorHookArgs) -> bool:
        """Says in our words why the host was not reached, above the plugin's own; nothing is tried again."""
        step = failed.name.removeprefix(f"{self.settings.name}-")
        if failed.errors and (text := way_in.told(self.settings, step, failed.errors[0])):
            pulumi.log.error(text)
        return False

    def stage(
        self,
        step: str,
        parts: Parts | pulumi.Output[Parts],
        parent: pulumi.Resource,
        depends_on: Sequence[pulumi.Resource] = (),
        secret: bool = False,
        then: Text = "",
        after: Sequence[Staged] = (),
        retires: str = "",
    ) -> Staged:
        """Lays files out on the host without touching what runs there; ``then`` are shell lines that follow.

        They follow again whenever one of ``after`` was staged again, though these files are as they were.
        """
        body = _mapped(parts, lambda files: _mapped(then, lambda lines: _stage_body(files, lines)))
        before = [*depends_on, *(one.command for one in after)]
        command = self.run(step, body, parent, before, secret, because=_runs(after), retires=retires)
        revision: pulumi.Output[str] = pulumi.Output.from_input(_mapped(parts, _digest))
        return Staged(command, pulumi.Output.unsecret(revision), run_of(command))

    def activate(
        self,
        step: str,
        script: str,
        variables: Mapping[str, str],
        staged: Sequence[Staged],
        parent: pulumi.Resource,
        depends_on: pulumi.Input[Sequence[pulumi.Resource]] = (),
        retires: str = "",
    ) -> RemoteCommand:
        """Runs ``script`` (a file of scripts/, with its arguments) in the host's turn, whenever ``staged`` changed."""
        revisions = pulumi.Output.all(*(one.revision for one in staged))
        body = revisions.apply(lambda digests: _activate_body(script, variables, digests))
        ours = [one.command for one in staged]
        before = pulumi.Output.from_input(depends_on).apply(lambda others: [*ours, *others])
        return self.run(step, body, parent, before, because=_runs(staged), retires=retires)


def secret_files(parts: Mapping[str, Texts]) -> pulumi.Output[Parts]:
    """Parts from paths and texts to come; nobody but root may read them, certificates and public keys excepted."""
    places = [(part, path) for part, texts in parts.items() for path in texts]
    texts = [text for texts in parts.values() for text in texts.values()]
    return pulumi.Output.all(*texts).apply(lambda known: _secret_parts(places, known))


def _secret_parts(places: Sequence[tuple[str, str]], texts: Sequence[str]) -> Parts:
    parts: dict[str, list[File]] = {}
    for (part, path), text in zip(places, texts, strict=True):
        parts.setdefault(part, []).append(_secret_file(path, text))
    return parts


def _secret_file(path: str, text: str) -> File:
    return File(path, text, mode="0644" if path.endswith((".crt", ".pub")) else "0600")


def _activate_body(script: str, variables: Mapping[str, str], digests: Sequence[str]) -> str:
    return f"# For what is staged as {' '.join(digests)}\n{call(script, variables)}"


def run_of(command: RemoteCommand) -> pulumi.Output[str]:
    """Another word each time that the command ran, if TELL_RUN ends it."""
    return pulumi.Output.unsecret(command.stdout).apply(_last_line)


def _runs(staged: Sequence[Staged]) -> Text:
    """A word for each, with a space before it."""
    if not staged:
        return ""
    return pulumi.Output.all(*(one.run for one in staged)).apply(lambda runs: "".join(f" {run}" for run in runs))


def _last_line(said: str) -> str:
    return said.rstrip().rpartition("\n")[2]


def _stage_body(parts: Parts, then: str) -> str:
    lines = stage_script({part: list(files) for part, files in parts.items()})
    return f". {ON_HOST}/lib.sh\nlock\n{lines}unlock\n{then}{TELL_RUN}"


def _digest(parts: Parts) -> str:
    text = stage_script({part: list(files) for part, files in parts.items()})
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _connection(host: Host) -> pulumi.Output[Mapping[str, Any]]:
    bastion = host.ssh.bastion
    proxy = {"proxy": _endpoint(bastion)} if bastion else {}
    return pulumi.Output.secret({**_endpoint(host.ssh), **proxy})


def _endpoint(end: Ssh | Bastion) -> dict[str, Any]:
    """Without a key the choice is the SSH agent's."""
    endpoint = {
        "host": end.host,
        "port": end.port,
        "user": end.user,
        "hostKey": end.host_key,
        "privateKey": end.private_key.get_secret_value() or None,
        "dialErrorLimit": DIALS,
        "perDialTimeout": SECONDS_A_DIAL,
    }
    return given(endpoint)


def _mapped(value: T | pulumi.Output[T], function: Callable[[T], U | pulumi.Output[U]]) -> U | pulumi.Output[U]:
    """``Output.from_input`` would make an output of every leaf of a plain value that is long known."""
    return value.apply(function) if isinstance(value, pulumi.Output) else function(value)
