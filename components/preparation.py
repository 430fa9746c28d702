"""Every host checked before any host is changed, then all of them prepared side by side.

Owns that barrier. Does not own what is checked and installed (``render.preparation``), nor the host's turn, in which a
changed container runtime or kubelet is put to work (``components.rollout``).
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import pulumi

from components.host import RemoteHost, Staged, Text
from components.remote_command import RemoteCommand
from render import hub_preflight, preparation
from render.scripts import host_scripts
from settings import Harbor, Stack

CHECK = "preflight"
SECONDS_FOR_ALL = 30  # longer than a host that does not answer takes to be given up


@dataclass(frozen=True)
class PreparationArgs:
    """``hosts``: all hosts of the stack, by name."""

    stack: Stack
    hosts: Mapping[str, RemoteHost]


class Preparation(pulumi.ComponentResource):
    """``prepared``: for each host, the command that prepared it and what then waits for the host's turn."""

    def __init__(self, name: str, args: PreparationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("evenkeel:index:Preparation", name, None, opts)
        scripts = host_scripts()
        steps = [(host, CHECK) for host in args.hosts] + [(hub, hub_preflight.STEP) for hub in args.stack.hubs()]
        together = _Together(f"{host}-{step}" for host, step in steps)
        holds = pulumi.ErrorHook(f"{name}-tells-all", together.hold)
        checks = {
            (host, step): args.hosts[host].run(
                step,
                self._check_body(args, host, step, scripts),
                self,
                secret=step != CHECK,
                on_error=[holds],
            )
            for host, step in steps
        }
        for (host, step), check in checks.items():
            check.id.apply(partial(together.end, f"{host}-{step}"))
        every_check: list[pulumi.Resource] = [*checks.values()]
        passed = compared(args.stack, checks).apply(lambda _: every_check)
        self.prepared: dict[str, Staged] = {
            host: self._prepare(args.stack, remote, scripts, passed) for host, remote in args.hosts.items()
        }
        found = pulumi.Output.all(**{host: check.stdout for (host, step), check in checks.items() if step == CHECK})
        found.apply(_warn)
        self.register_outputs({})

    def _check_body(self, args: PreparationArgs, host: str, step: str, scripts: Mapping[str, str]) -> Text:
        settings, harbor = args.hosts[host].settings, args.stack.harbor
        if step == CHECK or harbor is None:
            return preparation.preflight_body(args.stack, settings, scripts)
        return hub_preflight.body(args.stack, harbor, settings, scripts)

    def _prepare(
        self,
        stack: Stack,
        host: RemoteHost,
        scripts: Mapping[str, str],
        checks: pulumi.Output[list[pulumi.Resource]],
    ) -> Staged:
        body = preparation.prepare_body(stack, host.settings, scripts)
        waiting = preparation.revision(stack, host.settings) if preparation.runs_pods(host.settings) else ""
        # Not again for each run: prepare.sh itself puts a container runtime right that has come to a stop.
        return Staged(
            host.run("prepare", body, self, checks),
            pulumi.Output.from_input(waiting),
            pulumi.Output.from_input(waiting),
        )


class _Together:
    """Holds each failed check back until all have ended: after a failure the engine begins nothing more.

    So a user reads what is wrong with every host, and not one host's faults a run.
    """

    def __init__(self, checks: Iterable[str]) -> None:
        self._open = set(checks)
        self._all_ended = asyncio.Event()

    def end(self, check: str, _resource_id: str = "") -> None:
        """Notes that a check is over."""
        self._open.discard(check)
        if not self._open:
            self._all_ended.set()

    async def hold(self, failed: pulumi.ErrorHookArgs) -> bool:
        """Returns once all are over, or after a time: where few steps may run at once, some cannot begin before."""
        self.end(failed.name)
        try:
            await asyncio.wait_for(self._all_ended.wait(), SECONDS_FOR_ALL)
        except TimeoutError:
            pulumi.log.debug(f"not waiting any longer for {', '.join(sorted(self._open))}")
        return False


def compared(stack: Stack, checks: Mapping[tuple[str, str], RemoteCommand]) -> pulumi.Output[None]:
    """Ends once what the hubs see as their storage was found to be the same, or the program with an error."""
    harbor = stack.harbor
    said = {host: pulumi.Output.unsecret(check.stdout) for (host, step), check in checks.items() if step != CHECK}
    if harbor is None or not said:
        return pulumi.Output.from_input(None)
    return pulumi.Output.all(**said).apply(lambda texts: same_storage(harbor, texts))


def same_storage(harbor: Harbor, said: Mapping[str, str]) -> None:
    """Refuses hubs that see different folders as their storage."""
    if text := hub_preflight.other_storage(harbor, said):
        raise pulumi.RunError(text)


def _warn(descriptions: Mapping[str, str]) -> None:
    for text in preparation.same_machine(descriptions):
        pulumi.log.warn(text)
