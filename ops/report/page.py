"""The whole page, from top to bottom: this is its table of contents.

The page is one file that loads nothing and runs nothing, and says so to the browser. Pure. Does not own what a section
says.
"""

from datetime import datetime
from pathlib import Path
from xml.etree.ElementTree import Element

from ops.health import Report
from ops.report import ends, roll, sections, timeline, topology
from ops.report.markup import Child, document, stylesheet, tag
from settings import Stack

STYLE = (Path(__file__).parent / "page.css").read_text()
NOTHING_LOADED = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def page(stack: Stack, found: Report, last: roll.Roll | str | None, now: datetime) -> str:
    """``last``: the last roll, None where no host ever had its turn, or why that could not be found out."""
    days = ends.days(found.certificates, now)
    main = tag(
        "main",
        sections.verdict(found),
        sections.tiles(stack, found, days),
        _section("topology", "Who asks whom", *topology.draw(topology.graph(stack, found), found.stack), _legend()),
        _section("certificates", "When certificates end", *_certificates(days)),
        _section("roll", "The last roll", *_roll(last)),
        _section("versions", "Versions", sections.versions(stack, found)),
        _section("parts", "Hosts and parts", *_parts(stack, found)),
    )
    head = _head(f"{'not well' if found.troubles else 'well'}: {found.stack}")
    return document(tag("html", head, tag("body", _header(stack, found, now), main, _footer(found)), lang="en"))


def _head(title: str) -> Element:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=NOTHING_LOADED),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        stylesheet(STYLE),
    )


def _header(stack: Stack, found: Report, now: datetime) -> Element:
    when = tag("time", f"{now:%Y-%m-%d %H:%M:%S} UTC", datetime=now.isoformat(timespec="seconds"))
    what = f"cluster {stack.cluster.name}, {stack.cluster.environment}, release {stack.release.name}. As it was at "
    return tag("header", tag("h1", "Stack ", tag("b", found.stack)), tag("p", what, when))


def _footer(found: Report) -> Element:
    command = tag("code", f"python -m ops report --stack {found.stack}")
    return tag("footer", tag("p", "Written by ", command, ". It shows a moment; write it again for a newer one."))


def _section(name: str, heading: str, *content: Child) -> Element:
    return tag("section", tag("h2", heading, id=name), *content, aria_labelledby=name)


def _legend() -> Element:
    text = (
        "Arrows lead from who asks to who answers; thick ones are in use, thin ones stand by. Where a load balancer "
        "keeps an upstream out, the arrow is broken and ends in a cross; dotted ones are not known. A thick frame is "
        "around the holder of the virtual address and the etcd leader. A master's kubelet, controller manager and "
        "scheduler ask the apiserver beside them."
    )
    return tag("p", text, class_="note")


def _certificates(days: list[ends.Day]) -> list[Child]:
    if not days:
        return [tag("p", "No host told of a certificate.")]
    note = (
        "Near days are drawn wider than far ones. The first zone, two weeks, is a trouble. An up renews what it has "
        "issued when that ends within a month, the second zone; authorities, and what you brought, it does not."
    )
    every = tag("details", tag("summary", "Every certificate, as a table"), sections.certificates(days))
    return [*timeline.draw(ends.timeline(days)), tag("p", note, class_="note"), every]


def _roll(last: roll.Roll | str | None) -> list[Child]:
    if isinstance(last, str):
        return [tag("p", f"Not known: {last}")]
    if last is None:
        return [tag("p", "No host has had its turn yet.")]
    note = (
        "A turn is counted from the end of what it waited for until the host was found well, "
        "as the engine's state has it."
    )
    every = tag("details", tag("summary", "Every turn, as a table"), sections.turns(last))
    return [sections.outcome(last), *timeline.draw(roll.timeline(last)), tag("p", note, class_="note"), every]


def _parts(stack: Stack, found: Report) -> list[Child]:
    return [
        sections.hosts(stack, found),
        sections.balancers(stack, found),
        sections.hubs(found),
        sections.backup(found) if stack.harbor else None,
    ]
