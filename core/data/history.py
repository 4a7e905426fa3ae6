"""What a person last did to a data set, read from its journals, so that it can be undone, also on another day.

A step is what was written at once: the lines of one name and one time. Undoing adds lines, as everything does. A step
that puts back what an earlier one changed is therefore none of its own: both are passed over.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

from core.data.decisions import Decision, decide, decision_lines, decision_of
from core.data.journal import WHEN, WHO, Cells
from core.data.tags import change_tag, has_tag, tag_lines

Value = Decision | bool | None
"""What counts of a patch: a decision, True for a tag that it has, or None for neither."""


@dataclass(frozen=True)
class Step:
    """Something that was done, as far as it still counts.

    Attributes:
        at: when, as the journal says it.
        made: by id what it gave to each patch.
        before: by id what that replaced.
        tag: the tag that was given or taken; empty for decisions.
    """

    at: str
    made: Mapping[str, Value]
    before: Mapping[str, Value]
    tag: str = ""


def last_step(source: str, by: str) -> Step | None:
    """Return the last step of a person in a data set that is not undone yet, or None.

    `by` is "" for what was done without a name. Patches about which somebody else has decided since are not in it.

    Raises:
        DataError: a journal cannot be read.
    """
    tags: dict[str, list[Cells]] = {}
    for line in tag_lines(source):
        tags.setdefault(line["tag"], []).append(line)
    found = [_last(decision_lines(source), decision_of, by, "")]
    found += [_last(lines, lambda line: has_tag(line) or None, by, tag) for tag, lines in tags.items()]
    return max((step for step in found if step), key=lambda step: step.at, default=None)


def undo(source: str, step: Step, *, by: str) -> None:
    """Put back what was there before a step of :func:`last_step`.

    Raises:
        DataError: what is there cannot be read.
        StorageError: it cannot be written.
    """
    if step.tag:
        # What is given and what is taken stand in lines of their own, and all of a step were one or the other.
        change_tag(source, step.before, step.tag, on=any(step.before.values()), by=by)
    else:
        decide(source, {name: each for name, each in step.before.items() if not isinstance(each, bool)}, by=by)


def _last(lines: Iterable[Cells], value_of: Callable[[Cells], Value], by: str, tag: str) -> Step | None:
    now: dict[str, Value] = {}
    steps: list[Step] = []
    for (who, at), written in groupby(lines, key=lambda line: (line[WHO], line[WHEN])):
        made = {line["id"]: value_of(line) for line in written}
        before = {name: now.get(name) for name, value in made.items() if now.get(name) != value}
        now |= made
        if not before or not at or who != by:  # earlier versions kept no time
            continue
        made = {name: made[name] for name in before}
        while steps and not _counting(steps[-1], now | before):
            steps.pop()
        if steps and made == _counting(steps[-1], now | before):
            steps.pop()
        else:
            steps.append(Step(at, made, before, tag))
    for step in reversed(steps):
        rest = _counting(step, now)
        if rest:
            return Step(step.at, {name: step.made[name] for name in rest}, rest, tag)
    return None


def _counting(step: Step, now: Mapping[str, Value]) -> dict[str, Value]:
    """Return what undoing a step would give to each of its patches that nobody has changed since."""
    return {name: step.before[name] for name, value in step.made.items() if now.get(name) == value}
