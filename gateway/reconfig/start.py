"""What runs at the start of the process: what was on trial goes on, within its chances, or is given up."""

import logging
from dataclasses import dataclass
from datetime import datetime

import msgspec

from drivers.strict_yaml import YamlError
from gateway.reconfig.config_store import ConfigStore, Record, Version, Word
from gateway.reconfig.probation import Trial, begun_again
from gateway.site.config import Site
from gateway.site.overlay import fingerprint, load_overlaid
from messages.codec import utc_ms
from messages.configs import MAX_PROBLEMS, ConfigProblem, ConfigState
from messages.text import printable

log = logging.getLogger(__name__)

EDITED = "the site file on the box was edited: it holds now"


@dataclass(slots=True)
class Start:
    """What a gateway begins with."""

    site: Site
    record: Record


def begin(local: Site, store: ConfigStore, now: datetime) -> Start:
    """Decide what runs at the start of the process, and write that down first."""
    known, at, over = store.load(), utc_ms(now), fingerprint(local.path)
    record, site = known, local
    if record.tried is not None and record.trial is not None:
        record, trying = _go_on_trying(local, record, record.tried, record.trial, over, store, at)
        if trying is not None:
            return Start(trying, record)
    if record.good is not None:
        why = EDITED
        if record.good.over == over:
            try:
                site, why = load_overlaid(local.path, record.good.yaml, certificates=False), ""
            except YamlError as err:
                why = f"it cannot be loaded any more: {first_problem(err)}"
        if why:
            record = given_up(record, why, at)
    if record != known:
        _written(store, record)
    return Start(site, record)


def _go_on_trying(
    local: Site, record: Record, tried: Version, trial: Trial, over: str, store: ConfigStore, at: datetime
) -> tuple[Record, Site | None]:
    again = begun_again(trial)
    if tried.over != over:
        return given_up(record, EDITED, at, edited=True), None
    if again is None:
        why = f"the process began {trial.attempts + 1} times while it was on trial, or its time was over"
        return given_up(record, why, at), None
    counted = msgspec.structs.replace(record, trial=again)
    if not _written(store, counted):  # before it is tried: whatever it does to this process
        return given_up(record, "the disk takes nothing, so that its starts cannot be counted", at), None
    try:
        return counted, load_overlaid(local.path, tried.yaml, certificates=False)
    except YamlError as err:
        return given_up(counted, f"it cannot be loaded any more: {first_problem(err)}", at), None


def _written(store: ConfigStore, record: Record) -> bool:
    """Write it down; a disk that takes nothing keeps no gateway from its start."""
    try:
        store.save(record)
    except OSError as err:
        log.error("what became of a configuration cannot be written down: %s", err)  # noqa: TRY400
        return False
    return True


def problems_of(err: YamlError) -> list[ConfigProblem]:
    """Return what is wrong with an offered text as it is said to its author."""
    return [
        ConfigProblem(line=max(each.line, 0), path=printable(each.path, 200), text=printable(each.text, 500))
        for each in err.problems[:MAX_PROBLEMS]
    ]


def given_up(record: Record, why: str, at: datetime, *, edited: bool = False) -> Record:
    """Take back what is on trial, else what had proved itself; both where the site file was edited: it holds then."""
    failed = record.tried or record.good
    assert failed is not None
    log.error("configuration %s is rolled back: %s", failed.id, why)
    return msgspec.structs.replace(
        record,
        word=Word(state=ConfigState.ROLLED_BACK, at=at, id=failed.id, why=printable(why, 900)),
        good=record.good if record.tried is not None and not edited else None,
        tried=None,
        trial=None,
        untold=printable(f"configuration {failed.id} is rolled back: {why}", 500),
    )


def first_problem(err: Exception) -> str:
    """Say the first thing that is wrong."""
    return printable(str(err.problems[0]) if isinstance(err, YamlError) else str(err), 300)
