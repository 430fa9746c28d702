"""A preview as Markdown: first what is interrupted and in which order, then what is written where."""

from collections import Counter
from collections.abc import Iterable, Sequence

from ops.review.files import COMMAND, GONE, NEW, Change, by_hosts, changes, unseen
from ops.review.objects import PREFIX, objects
from ops.review.preview import Preview, Step
from ops.review.turns import CONTAINER, TURNS, Turn, turns, unnoticed
from render import silent_peers

WORDS = {"create": "new", "update": "changed", "replace": "replaced", "delete": "deleted"}
WHOLE = {NEW: "+", GONE: "-"}


def summary(preview: Preview) -> str:
    """The whole text."""
    blocks = (
        [f"### {_title(preview)}"],
        ["**The engine reports errors:**", *_block(preview.errors, "")] if preview.errors else [],
        _order(preview),
        _written(preview),
        _objects(preview),
        _rest(preview),
    )
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _title(preview: Preview) -> str:
    before, after = preview.runs
    release = f"{before} → {after}" if before and before != after else after
    count = Counter(WORDS.get(step.op, step.op) for step in preview.steps)
    counted = ", ".join(f"{number} {word}" for word, number in count.items())
    nothing = "failed" if preview.errors else "no change"
    return f"{preview.stack}, release {release}: {counted or nothing}, {preview.unchanged} unchanged"


def _order(preview: Preview) -> list[str]:
    """One line for turns in which the same happens."""
    found, beside = turns(preview), unnoticed(preview)
    told = [f"Beside, and interrupting nothing: {_names(beside)}: restarts {silent_peers.UNIT}"] if beside else []
    if not found:
        return told or (["**Nothing restarts.**"] if preview.steps else [])
    head = "**In this order**, a host when those before it are well again; the same number: side by side"
    groups: dict[tuple[str, str], list[Turn]] = {}
    for turn in found:
        groups.setdefault((turn.role, turn.what), []).append(turn)
    lines = [f"- {_places(same)}: {_hosts(same)}: {what}" for (_, what), same in groups.items()]
    return [head, *lines, *([""] if told else []), *told]


def _places(same: Sequence[Turn]) -> str:
    first, last = same[0].place, same[-1].place
    return f"{first}" if first == last else f"{first} to {last}"


def _hosts(same: Sequence[Turn]) -> str:
    rows: dict[int, list[str]] = {}
    for turn in same:
        rows.setdefault(turn.place, []).append(turn.host)
    return ", then ".join(_names(hosts) for hosts in rows.values())


def _written(preview: Preview) -> list[str]:
    """Files and programs, once for all hosts on which they change alike."""
    groups: dict[tuple[str, ...], list[Change]] = {}
    for change, hosts in by_hosts(preview).items():
        groups.setdefault(tuple(sorted(hosts)), []).append(change)
    lines = ["**Written on the hosts**"] if groups else []
    for names, found in groups.items():
        lines += [f"{_names(names)}:", *_block(_changes(found))]
    hidden = {
        str(preview.host_of(step)) for step in preview.of_type(COMMAND) if unseen(step) and "stdin" in step.changed
    }
    return [*lines, *([f"Secret, or known after `up`: files on {_names(sorted(hidden))}"] if hidden else [])]


def _changes(found: Iterable[Change]) -> list[str]:
    """The lines of each file that differs; of files that come or go, a folder's in one line."""
    whole: dict[tuple[str, str], list[str]] = {}
    lines: list[str] = []
    for change in found:
        if change.lines and change.lines[0] in WHOLE:
            folder, _, name = change.path.rpartition("/")
            whole.setdefault((change.lines[0], folder), []).append(name)
        else:
            lines += [f"  {change.path}", *change.lines]
    return lines + [f"{WHOLE[how]} {folder}/{_one_or_many(names)}" for (how, folder), names in whole.items()]


def _one_or_many(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f": {len(names)} files"


def _objects(preview: Preview) -> list[str]:
    lines = [line for title, differing in objects(preview).items() for line in (f"  {title}", *differing)]
    return ["**In the cluster**", *_block(lines)] if lines else []


def _rest(preview: Preview) -> list[str]:
    """What neither interrupts nor writes, so that nothing that a preview has is left out."""
    again = Counter(_step(preview, step) for step in preview.of_type(COMMAND) if not changes(step) and not unseen(step))
    own = set(TURNS)
    told = [f"{step} ({count})" for step, count in again.items() if step not in own]
    others = Counter(
        f"{WORDS.get(step.op, step.op)} {step.type.rpartition(':')[2]}"
        for step in preview.steps
        if step.type not in (COMMAND, CONTAINER) and not step.type.startswith(PREFIX)
    )
    also = [f"{count} {what}" for what, count in others.items()]
    listed = {"Checked and run again": told, "Also": also}
    return [f"{what}: {', '.join(items)}" for what, items in listed.items() if items]


def _step(preview: Preview, step: Step) -> str:
    return step.name.removeprefix(f"{preview.host_of(step)}-")


def _block(lines: Iterable[str], kind: str = "diff") -> list[str]:
    return [f"```{kind}", *lines, "```"]


def _names(hosts: Sequence[str]) -> str:
    return ", ".join(f"`{host}`" for host in hosts)
