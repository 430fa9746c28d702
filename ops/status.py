"""``python -m ops status``: what a stack has, whether it is well, and what ends when.

Owns asking the hosts, one connection each and one more for the nodes, and the tables. Does not own what is well
(``ops.health``), nor whether the hosts are as the stack wants them (``ops.verify``).
"""

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops import health, objects, ssh, stacks
from ops.health import Report
from render import load_balancer
from render.preparation import runs_pods
from render.scripts import SCRIPTS, assignments
from settings import Host, Stack

SECONDS = 30
CERTIFICATES_SHOWN = 5
LISTED = objects.GET.format(what="nodes,leases.coordination.k8s.io --namespace=kube-system")
MEGABYTE = 1024 * 1024


def command(
    stack: Annotated[str, typer.Option(help="The stack that is asked.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Show what a stack has and whether it is well.

    Hosts, versions, etcd, apiservers, load balancers, virtual address, nodes, hubs, certificates and the last backup.
    Nothing is changed. Ends with 1 when something is not well.
    """
    console = Console(highlight=False)
    try:
        settings = stacks.read(stack)
    except stacks.StackError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(str(error), style="red", markup=False)
        raise typer.Exit(1) from error
    found = ask(stack, settings)
    if as_json:
        print(json.dumps(dataclasses.asdict(found), default=datetime.isoformat, indent=2))
    else:
        show(console, settings, found, datetime.now(UTC))
    raise typer.Exit(1 if found.troubles else 0)


def ask(name: str, stack: Stack) -> Report:
    """Asks every host, and a master for the nodes and who leads, at the same time."""
    with ThreadPoolExecutor(max_workers=1) as beside:
        listed = beside.submit(objects.ask, stack, LISTED)
        answers = ssh.ask_all(stack.hosts.values(), partial(script, stack), SECONDS)
        of_cluster = listed.result()
    whole = {answer.host: answer.output for answer in answers if answer.output.endswith("end\n")}
    report = health.report(name, stack, whole, of_cluster.output if of_cluster.code == 0 else "", datetime.now(UTC))
    silent = [answer.fault or f"{answer.host}: did not say all" for answer in answers if answer.host not in whole]
    silent += [f"the nodes could not be listed: {of_cluster.fault}"] if of_cluster.code else []
    report.troubles[:0] = silent
    return report


def script(stack: Stack, host: Host) -> str:
    """What one host runs."""
    vip = stack.load_balancer.vip
    balances = load_balancer.balancer(stack, host)
    variables = {
        "ROLES": " ".join(host.roles),
        "ADDRESS": host.address,
        "STATUS": balances.status,
        "SERVICES": " ".join(service.name for service in balances.services),
        "VIP": str(vip.address) if vip else "",
        "SERVICE_ADDRESS": stack.cluster.service_address if runs_pods(host) else "",
    }
    return assignments(variables) + (SCRIPTS / "status.sh").read_text()


def show(console: Console, stack: Stack, found: Report, now: datetime) -> None:
    """The tables, and below them what is not well."""
    console.print(_hosts(stack, found))
    console.print(_balancers(stack, found))
    if found.hub_keys:
        console.print(_hubs(found))
    console.print(_certificates(found, now))
    for component, host in found.leaders.items():
        console.print(f"{component}: {host or 'nobody'} leads", markup=False)
    console.print(f"last backup: {found.last_backup or 'none'}")
    for trouble in found.troubles:
        console.print(trouble, style="red", markup=False, soft_wrap=True)
    if not found.troubles:
        console.print(f"stack {found.stack}: all is well", style="green", markup=False)


def _hosts(stack: Stack, found: Report) -> Table:
    table = Table("host", "address", "roles", "node", "kubelet", "containerd", "apiserver", "etcd")
    nodes = {node.name: node for node in found.nodes}
    servers = {one.host: one for one in found.api_servers}
    members = {one.host: one for one in found.etcd}
    for name, host in stack.hosts.items():
        node, server, member = nodes.get(name), servers.get(name), members.get(name)
        table.add_row(
            name if found.hosts[name] == "answered" else Text(f"{name} (silent)", style="red"),
            host.address,
            " ".join(host.roles),
            _verdict(not node.troubles, "Ready", " ".join(node.troubles)) if node else "",
            node.kubelet if node else "",
            node.runtime if node else "",
            _verdict(server.ready, f"ready {server.version}", "not ready") if server else "",
            _member(member) if member else "",
        )
    return table


def _member(member: health.Member) -> str:
    role = "leader" if member.leader else "learner" if member.learner else "follower"
    return f"{role} {member.version}, {member.size_bytes / MEGABYTE:.0f} MB, lag {member.lag}"


def _balancers(stack: Stack, found: Report) -> Table:
    table = Table("load balancer", "nginx", "virtual address", "service", "up", "down")
    for name in stack.load_balancers():
        of_this = [one for one in found.upstreams if one.balancer == name]
        for service in dict.fromkeys(one.service for one in of_this):
            up, down = (
                " ".join(one.name for one in of_this if one.service == service and (one.verdict == "up") == well)
                for well in (True, False)
            )
            holds = "holds it" if name in found.vip_holders else ""
            table.add_row(name, found.nginx.get(name, ""), holds, service, up, Text(down, style="red"))
    return table


def _hubs(found: Report) -> Table:
    table = Table("hub", "keys, by fingerprint")
    for hub, wrong in found.hub_keys.items():
        table.add_row(hub, _verdict(not wrong, "match", "; ".join(wrong)))
    return table


def _certificates(found: Report, now: datetime) -> Table:
    """Those that end first; a certificate that several hosts share is one row."""
    table = Table("certificates that end first", "hosts", "on", "days left")
    rows: dict[tuple[str, str], list[health.Certificate]] = {}
    for one in found.certificates:
        rows.setdefault((f"{one.not_after:%Y-%m-%d}", one.path), []).append(one)
    for (day, path), held in list(rows.items())[:CERTIFICATES_SHOWN]:
        left = held[0].not_after - now
        style = "red" if left < health.SOON else ""
        table.add_row(path, " ".join(one.host for one in held), day, Text(str(left.days), style=style))
    return table


def _verdict(well: bool, good: str, bad: str) -> Text:
    return Text(good, style="green") if well else Text(bad, style="red")
