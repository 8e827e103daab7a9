"""Configuration from afar that cannot strand a site: checked, written down, tried, and taken back by itself.

An offer stands on the hash of what runs. It is applied line by line and then on trial: unless everything that
answered before answers again, and the server has stored something since, within its time, the gateway goes back
to what it had and says why. Each step is on the disk before it is taken, so a kill at any moment finds its way: a
trial goes on with the rest of its time, and not for ever. Whoever edits the site file on the box has the last word.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from drivers.strict_yaml import YamlError
from gateway.faults import contained
from gateway.reconfig.check import examined
from gateway.reconfig.config_store import ConfigStore, Record, Version, Word
from gateway.reconfig.probation import (
    Aftermath,
    Trial,
    Verdict,
    ear_name,
    trial_of,
    unheard,
    unwell,
    verdict,
)
from gateway.reconfig.reload import Reloader, ReloadRefused
from gateway.reconfig.sight import Sight, Surface
from gateway.reconfig.start import EDITED, Start, begin, first_problem, given_up, problems_of
from gateway.site.config import Site, load_site
from gateway.site.overlay import fingerprint, load_overlaid, shown_part
from messages.codec import utc_ms
from messages.configs import Checked, ConfigOffer, ConfigProblem, ConfigSaid, ConfigState
from messages.text import printable

__all__ = ["RemoteConfig", "Sight", "Start", "begin"]

log = logging.getLogger(__name__)

LOOK_S = 1.0
OUR_FAULT = "a fault of our own: the log has the rest"
MINUTE_S = 60.0  # of a trial; an end-to-end test has shorter ones
MOST_CHECKS = 4
AFTER_S = 30.0  # so long who did not answer on trial is looked at with the configuration before
SAVE_S = 5.0  # so much of a trial's time a kill may give back


@dataclass(slots=True, eq=False)
class RemoteConfig:
    """Takes offers (`take`), tries them (`run`), and is what `Reloader` reads when the box is asked to reload."""

    record: Record
    store: ConfigStore
    reloader: Reloader
    surface: Surface
    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    nap: Callable[[asyncio.Event, float], Awaitable[None]]
    alarm: Callable[[str], Awaitable[bool]]
    """Journals our own alarm; False if nobody keeps it, so that it comes again."""
    say: Callable[[ConfigSaid], None] = lambda _said: None
    _offer: ConfigOffer | None = None
    _checks: deque[ConfigOffer] = field(default_factory=lambda: deque(maxlen=MOST_CHECKS))
    _checked: Checked | None = None
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _applied_at: float = 0.0
    _looked_at: float = 0.0
    _saved_s: float = 0.0
    _well: set[str] = field(default_factory=set)
    _edited: bool = False
    _before: Site | None = None
    """What ran when the trial began, in this life of the process."""
    _after: Aftermath | None = None
    """How those do with the configuration before on whose account one was taken back."""
    _shown: tuple[str, str] = ("", "")
    """The hash of what runs, and what the site file said when that was taken up: it may be edited since."""
    _pen: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the record is written or told: what is there in the end is what was decided last."""

    def take(self, offer: ConfigOffer) -> None:
        """Take an offer; one that came before, as retained messages do, changes nothing."""
        if offer.check_only:
            self._checks.append(offer)
            self._woken.set()
            return
        known = {version.id for version in (self.record.tried, self.record.good) if version is not None}
        word = self.record.word
        if offer.id in known or (word is not None and word.id == offer.id):
            return
        self._offer = offer
        self._woken.set()

    def withdraw(self) -> None:
        """Leave an offer alone that was not looked at yet: it was taken back."""
        if self._offer is not None:
            log.info("configuration %s was withdrawn", self._offer.id)
            self._offer = None

    async def run(self) -> None:
        """Work until cancelled."""
        self._applied_at = self._looked_at = self.monotonic()
        self._saved_s = self.record.trial.spent_s if self.record.trial else 0.0
        upon = self.record.tried or self.record.good
        whence = "the site file" if upon is None else f"offer {upon.id} upon the site file"
        log.info("configuration %s: %s", self.reloader.site.hash, whence)
        await self._tell()
        while True:
            self._woken.clear()
            await self._alarm_untold()
            while self._checks:
                await self._answer(self._checks.popleft())
            if self.record.trial is not None:
                await self._look()
            elif self._offer is not None:
                offer, self._offer = self._offer, None
                await self._decide(offer)
                continue
            elif self._after is not None:
                await self._look_back(self._after)
            waits = self._offer is not None or self._after is not None
            busy = self.record.trial is not None or self.record.untold or waits
            await self.nap(self._woken, LOOK_S if busy else 3600.0)

    async def _alarm_untold(self) -> None:
        untold = self.record.untold
        if untold and await self.alarm(untold) and self.record.untold == untold:
            await self._keep(untold="")

    # -- what the reloader asks -----------------------------------------------------------------------------

    def read(self) -> Site:
        """Read what is to run after a reload at the box; raise `YamlError` or `ReloadRefused`. Runs in a thread."""
        path, upon = self.reloader.site.path, self.record.tried or self.record.good
        self._edited = upon is not None and fingerprint(path) != upon.over
        if upon is None or self._edited:
            return load_site(path)
        if self.record.trial is not None:
            raise ReloadRefused(
                f"configuration {upon.id} from {printable(upon.by, 60)} is on trial for another"
                f" {self.record.trial.left_s:.0f} s: wait for its end, or edit the site file to end it"
            )
        return load_overlaid(path, upon.yaml)

    async def taken(self) -> None:
        """What `read` returned runs now."""
        self._shown = ("", "")
        edited, self._edited = self._edited, False
        if edited and (self.record.tried or self.record.good):  # else it was taken back meanwhile
            await self._save(given_up(self.record, EDITED, utc_ms(self.clock()), edited=True))
            self._woken.set()
        await self._tell()

    # -- an offer -------------------------------------------------------------------------------------------

    async def _answer(self, offer: ConfigOffer) -> None:
        with contained("the check of a configuration") as found:
            await self._check(offer)
        if found.fault:
            self._checked = Checked(id=offer.id, at=utc_ms(self.clock()), why=OUR_FAULT)
            await self._tell()

    async def _decide(self, offer: ConfigOffer) -> None:
        """Take an offer to its end; one on which we break ends too, for as a retained message it comes again."""
        with contained("an offered configuration") as found:
            await self._consider(offer)
        if not found.fault:
            return
        if self.record.tried is not None and self.record.tried.id == offer.id:
            await self._roll_back(OUR_FAULT)  # nobody knows how much of it runs
        else:
            await self._end(offer, ConfigState.REFUSED, OUR_FAULT)

    async def _check(self, offer: ConfigOffer) -> None:
        """Say whether this could run; nothing is kept and nothing is changed."""
        log.info("configuration %s is to be checked for %s", offer.id, printable(offer.by, 60))
        path = self.reloader.site.path
        why, problems = await asyncio.to_thread(examined, path, offer.site_yaml, self.reloader.check)
        self._checked = Checked(id=offer.id, at=utc_ms(self.clock()), why=why, problems=tuple(problems))
        await self._tell()

    async def _consider(self, offer: ConfigOffer) -> None:
        log.info("configuration %s is offered by %s", offer.id, printable(offer.by, 60))
        running = self.reloader.site
        if offer.base != running.hash:
            why = f"stale: it stands on {offer.base[:19]}…, and {running.hash[:19]}… runs: look again and offer anew"
            await self._end(offer, ConfigState.REFUSED, why)
            return
        over = await asyncio.to_thread(fingerprint, running.path)
        try:
            site = await asyncio.to_thread(load_overlaid, running.path, offer.site_yaml)
            self.reloader.check(site)
        except YamlError as err:
            count = len(err.problems)
            why = f"{count} problem{'s' * (count != 1)}: mend and offer it again; nothing is changed"
            await self._end(offer, ConfigState.REFUSED, why, problems_of(err))
            return
        except ReloadRefused as err:
            await self._end(offer, ConfigState.REFUSED, str(err))
            return
        if site.hash == running.hash:
            await self._end(offer, ConfigState.CONFIRMED, "it is what runs already")
            return
        await self._try(offer, running, site, over)

    async def _try(self, offer: ConfigOffer, running: Site, site: Site, over: str) -> None:
        version = Version(id=offer.id, by=offer.by, at=offer.at, yaml=offer.site_yaml, over=over)
        limit_s = offer.health_minutes * MINUTE_S
        trial = trial_of(limit_s, self.surface.health(), running.all_lines, site.all_lines)
        staged = {"tried": version, "trial": trial, "word": self._word(offer.id, ConfigState.STAGED)}
        try:
            async with self._pen:
                await asyncio.to_thread(self.store.save, msgspec.structs.replace(self.record, **staged))
                # Upon what is known now: a reload at the box may have ended what had proved itself.
                self.record, self._before = msgspec.structs.replace(self.record, **staged), running
        except OSError as err:
            await self._end(
                offer, ConfigState.REFUSED, f"it cannot be written down here: {err.strerror or err}"
            )
            return
        await self._tell()
        self._well, self._saved_s = set(), 0.0
        self._applied_at = self._looked_at = self.monotonic()
        try:
            what = await self.reloader.apply(site, upon=running.hash, over=over)
        except ReloadRefused as err:  # stopping, or somebody at the box was faster
            await self._keep(tried=None, trial=None, word=self._word(offer.id, ConfigState.REFUSED, str(err)))
            self._before = None
            return
        self._applied_at = self.monotonic()
        await self._keep(word=self._word(offer.id, ConfigState.APPLIED, str(what)))

    async def _look(self) -> None:
        """Judge what is on trial; end it where it is decided."""
        trial, tried = self.record.trial, self.record.tried
        assert trial is not None
        assert tried is not None
        now = self.monotonic()
        trial = msgspec.structs.replace(trial, spent_s=trial.spent_s + max(now - self._looked_at, 0.0))
        self._looked_at = now
        self.record = msgspec.structs.replace(self.record, trial=trial)
        outcome, why = verdict(trial, self._reasons(trial), heard=self.surface.heard_since(self._applied_at))
        if outcome is Verdict.CONFIRMED:
            log.info("configuration %s has proved itself", tried.id)
            said = unheard(trial, self.surface.health())
            word = self._word(tried.id, ConfigState.CONFIRMED, said)
            await self._keep(good=tried, tried=None, trial=None, word=word)
            self._before = None
        elif outcome is Verdict.ROLL_BACK:
            await self._roll_back(why)
        elif trial.spent_s - self._saved_s >= SAVE_S:
            self._saved_s = trial.spent_s
            await self._save(self.record)

    def _reasons(self, trial: Trial) -> list[str]:
        """Say what is worse than before; a device that was as well as before once since the change counts as well."""
        configured = self._configured()
        now = self.surface.health()
        missing = unwell(trial, self._well, now, configured)
        self._well |= missing.well
        return missing.reasons

    def _configured(self) -> dict[str, Collection[str]]:
        site = self.reloader.site
        ears: dict[str, Collection[str]] = {ear_name(line.id): () for line in site.listening}
        return ears | {device.id: device.profile.points.keys() for device in site.devices}

    async def _roll_back(self, why: str) -> None:
        trial, tried, running = self.record.trial, self.record.tried, self.reloader.site
        assert trial is not None
        assert tried is not None
        lost = unwell(trial, self._well, self.surface.health(), self._configured()).lost
        edited = await asyncio.to_thread(fingerprint, running.path) != tried.over
        if self.record.tried is not tried:
            return  # a reload at the box has ended it
        why = f"{why}; {EDITED}" if edited else why
        # On the disk before the lines change: a kill in between starts with what it goes back to.
        await self._save(given_up(self.record, why, utc_ms(self.clock()), edited=edited))
        if not (edited and await self._went_back(lambda: load_site(running.path), running.hash)):
            await self._went_back(self._previous, running.hash)
        self._before = None
        await self._tell()
        if lost:
            self._after = Aftermath(tried.id, lost, self.monotonic() + AFTER_S)

    async def _went_back(self, to: Callable[[], Site], upon: str) -> bool:
        try:
            await self.reloader.apply(await asyncio.to_thread(to), upon=upon)
        except (YamlError, ReloadRefused) as err:
            log.error("the configuration before it cannot be taken up: %s", first_problem(err))  # noqa: TRY400
            return False
        return True

    async def _look_back(self, after: Aftermath) -> None:
        """Say it if those who did not answer on trial do not answer without it either: it was not the change."""
        said = after.judge(self.surface.health(), self._configured(), self.monotonic())
        if said is None:
            return
        self._after, word = None, self.record.word
        if said and word is not None and word.id == after.offer:
            log.info("configuration %s: %s", after.offer, said)
            await self._keep(word=msgspec.structs.replace(word, why=printable(f"{word.why}; {said}", 1000)))

    def _previous(self) -> Site:
        if self._before is not None:
            return self._before
        path, good = self.reloader.site.path, self.record.good
        if good is None:
            return load_site(path, certificates=False)
        return load_overlaid(path, good.yaml, certificates=False)

    # -- what is said ---------------------------------------------------------------------------------------

    async def _tell(self) -> None:
        """Say what runs and what became of the latest offer."""
        async with self._pen:
            while self._shown[0] != (site := self.reloader.site).hash:
                self._shown = (site.hash, await asyncio.to_thread(shown_part, site.path))
            word = self.record.word or Word(state=ConfigState.LOCAL, at=utc_ms(self.clock()))
            staged = site is self._before  # what is on trial does not run yet
            active = self.record.good if staged else self.record.tried or self.record.good
            self.say(
                ConfigSaid(
                    state=word.state,
                    active=site.hash,
                    at=word.at,
                    id=word.id,
                    why=word.why,
                    problems=word.problems,
                    site_yaml=self._shown[1] if active is None else active.yaml,
                    checked=self._checked,
                )
            )

    def _word(
        self, offer: str, state: ConfigState, why: str = "", problems: Sequence[ConfigProblem] = ()
    ) -> Word:
        return Word(
            state=state, at=utc_ms(self.clock()), id=offer, why=printable(why, 900), problems=tuple(problems)
        )

    async def _end(
        self, offer: ConfigOffer, state: ConfigState, why: str, problems: Sequence[ConfigProblem] = ()
    ) -> None:
        log.info("configuration %s: %s: %s", offer.id, state.value, why)
        await self._keep(word=self._word(offer.id, state, why, problems))

    async def _keep(self, **changes: object) -> None:
        await self._save(msgspec.structs.replace(self.record, **changes))
        await self._tell()

    async def _save(self, record: Record) -> None:
        self.record = record
        async with self._pen:
            try:
                await asyncio.to_thread(self.store.save, self.record)
            except OSError as err:
                log.error("what became of a configuration cannot be written down: %s", err)  # noqa: TRY400
