"""One connection of a pushing device: HTTP requests in, and an answer to each once the journal has what it holds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qsl

import h11

from drivers.api import Heard
from drivers.errors import FrameDamaged
from drivers.http_push import answers
from drivers.http_push.auth import Asked, Headers, Lock, lock_of
from drivers.http_push.body import Json, NoJson, read, words
from drivers.http_push.digest import Nonces
from drivers.http_push.mask import unquoted
from drivers.http_push.meaning import Meaning, at_pointer, records_in
from drivers.http_push.settings import Options
from drivers.profile import Profile
from messages.text import printable

MAX_HEAD: Final = 16 * 1024
MAX_TARGET: Final = 1000
MOST_REFUSED: Final = 3  # wrong keys on one connection
LINGER_S: Final = 2.0  # so that a peer that is still sending reads our answer before the connection ends
LONGEST_SOURCE: Final = 80
MOST_READY: Final = 1000

_RETRY: Final = (f"Retry-After: {answers.RETRY_S}",)


@dataclass(frozen=True, slots=True)
class Panel:
    """A device of the line, made ready."""

    source: str
    meaning: Meaning
    lock: Lock

    @property
    def options(self) -> Options:
        """Its options."""
        return self.meaning.options


class Panels:
    """Devices made ready for each new connection: profiles once, keys each time, for those may be changed."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str], tuple[Profile, Meaning]] = {}

    def get(self, source: str, profile: Profile, options: Mapping[str, Any]) -> Panel:
        """Return the device; raise `Misconfigured`."""
        key = id(profile), repr(sorted(options.items()))
        # The profile is kept with what was made of it, so that no other can have its id.
        made = self._known.pop(key, None) or (profile, Meaning(profile, options))
        while len(self._known) >= MOST_READY:
            del self._known[next(iter(self._known))]
        self._known[key] = made
        meaning = made[1]
        return Panel(source, meaning, lock_of(meaning.options, {**profile.options, **options}))


class Refused(Exception):
    """A request that gets an answer and nothing else."""

    def __init__(self, status: int, text: str, *extra: str, wrong: bool = True) -> None:
        super().__init__(text)
        self.status, self.text, self.extra, self.wrong = status, text, extra, wrong


@dataclass(slots=True)
class _Request:
    """A request whose head is there."""

    asked: Asked
    panels: tuple[Panel, ...]
    """Those that speak to this path."""
    body: bytearray

    @property
    def headers(self) -> Headers:
        """Its headers."""
        return self.asked.headers

    @property
    def most(self) -> int:
        """How long its body may be."""
        return 1024 * max(panel.options.body_kb for panel in self.panels)


class PushSession:
    """What one peer pushes; it may speak for several devices."""

    def __init__(self, panels: Sequence[Panel], nonces: Nonces) -> None:
        self._panels, self._nonces = tuple(panels), nonces
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self._request: _Request | None = None
        self._waiting_since: datetime | None = None
        self._refused = 0
        self._ended: tuple[datetime, str] | None = None

    def feed(self, data: bytes, now: datetime) -> Sequence[Heard]:
        """Take bytes in any portions; return the messages that are whole. Raises `FrameDamaged` at the end."""
        if self._ended is not None:
            self._linger(now)
            return ()
        heard: list[Heard] = []
        try:
            self._hurry(bool(data), now)
            if data:
                self._http.receive_data(data)
            for message in self._events(now):
                heard.append(message)  # noqa: PERF402 - what came before a fault is kept
        except h11.RemoteProtocolError as err:
            status = err.error_status_hint if 400 <= err.error_status_hint < 600 else 400
            heard.append(self._end(Refused(status, f"this is no HTTP: {unquoted(err)}"), now))
        except Refused as err:
            heard.append(self._end(err, now))
        return heard

    def tick(self, now: datetime) -> Sequence[bytes]:  # noqa: ARG002
        """Return nothing: an answer follows a request."""
        return ()

    def _events(self, now: datetime) -> Iterator[Heard]:
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Request):
                self._request = self._begin(event, now)
                if self._http.they_are_waiting_for_100_continue:
                    self._http.send(h11.InformationalResponse(status_code=100, headers=[]))
                    yield Heard("", reply=answers.CONTINUE, label="100")
            elif isinstance(event, h11.Data) and self._request is not None:
                self._request.body += event.data
                if len(self._request.body) > self._request.most:
                    raise _too_long(self._request.most)
            elif isinstance(event, h11.EndOfMessage) and self._request is not None:
                request, self._request = self._request, None
                yield from self._whole(request, now)
                if self._ended is not None:
                    return
            else:  # more is needed, or the peer has nothing more to say
                return

    def _begin(self, event: h11.Request, now: datetime) -> _Request:
        headers = _headers(event)
        target = event.target.decode("latin-1")
        if event.method != b"POST":
            raise Refused(405, "send what happens with POST", "Allow: POST")
        if len(target) > MAX_TARGET:
            raise Refused(414, f"the path has more than {MAX_TARGET} characters")
        path, _ = _split(target)
        panels = tuple(panel for panel in self._panels if panel.options.path in ("", path))
        if not panels:
            raise Refused(404, f"no device here sends to {printable(path, 80)}: see `path` in its profile")
        asked = Asked(headers, target, now, self._nonces)
        if not _some([panel.lock.may_fit(asked) for panel in panels]):
            raise _unknown(panels, asked)
        if headers.get("content-encoding", b"identity").lower() != b"identity":
            raise Refused(415, "send the body without Content-Encoding")
        request = _Request(asked, panels, bytearray())
        length = headers.get("content-length", b"0")
        if len(length) > 9 or int(length) > request.most:
            raise _too_long(request.most)
        return request

    def _whole(self, request: _Request, now: datetime) -> Iterator[Heard]:
        try:
            heard = self._messages(request, now)
        except Refused as err:
            # A peer that tries keys is sent away; for anything else the connection goes on.
            self._refused += err.status in (401, 403)
            if self._refused >= MOST_REFUSED:
                raise Refused(429, "too many wrong keys: connect again", *_RETRY) from None
            close = self._answered()
            raw = answers.answer(err.status, err.text, close=close, extra=err.extra)
            yield Heard("", reply=raw, label=f"{err.status} {err.text}", wrong=err.wrong)
            self._done(close, now)
            return
        self._refused, close = 0, self._answered()
        yield from _answerable(heard, request, close)
        self._done(close, now)

    def _messages(self, request: _Request, now: datetime) -> list[Heard]:
        if not request.body:  # a device that wants to be asked for its key sends nothing first
            asking = [panel for panel in request.panels if panel.lock.asks(request.headers)]
            raise _unknown(asking, request.asked) if asking else Refused(422, "the body is empty")
        message, found = _read(request)
        known = {source: panel for source, (panel, _) in found.items() if panel is not None}
        fits = {
            source for source, panel in known.items() if panel.lock.fits(request.asked, bytes(request.body))
        }
        unfit = [panel for source, panel in known.items() if source not in fits]
        if any(panel.lock.asks(request.headers) for panel in unfit):
            raise _unknown(unfit, request.asked)
        if unfit:
            raise Refused(403, "this key is not that of the device the message is from")
        if not known and not any(panel.lock.open for panel in request.panels):
            body = bytes(request.body)
            if not _some([panel.lock.fits(request.asked, body) for panel in request.panels]):
                raise _unknown(request.panels, request.asked)
        heard = []
        for source, (panel, records) in found.items():
            if panel is None:
                heard.append(Heard(source, label="unknown", raw=bytes(request.body)))
                continue
            told = panel.meaning.tell(message, records, now)
            heard.append(
                Heard(
                    source,
                    told.readings,
                    told.happenings,
                    panel.meaning.answer(message, records).encode(),
                    label=f"POST {len(records)} records",
                    number=told.number,
                    raw=bytes(request.body),
                )
            )
        return heard

    def _answered(self) -> bool:
        """Take the answer as sent; return whether the connection ends with it."""
        self._http.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
        self._http.send(h11.EndOfMessage())
        return self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE

    def _done(self, close: bool, now: datetime) -> None:
        if close:
            self._ended = (now, "it asked to be closed")
        else:
            self._http.start_next_cycle()
            self._waiting_since = now if self._http.trailing_data[0] else None

    def _end(self, err: Refused, now: datetime) -> Heard:
        self._ended = (now, f"{err.status} {err.text}")
        self._request = None
        raw = answers.answer(err.status, err.text, close=True, extra=err.extra)
        return Heard("", reply=raw, label=f"{err.status} {err.text}", wrong=err.wrong)

    def _linger(self, now: datetime) -> None:
        assert self._ended is not None
        since, why = self._ended
        if not 0 <= (now - since).total_seconds() < LINGER_S:
            raise FrameDamaged(why)

    def _hurry(self, came: bool, now: datetime) -> None:
        """End a peer whose request takes too long, be it byte by byte."""
        if self._request is None and self._http.their_state is h11.IDLE:
            if not came and not self._http.trailing_data[0]:
                self._waiting_since = None
                return
            self._waiting_since = self._waiting_since or now
        since = self._waiting_since or now
        most = max((panel.options.request_s for panel in self._panels), default=30.0)
        waited = (now - since).total_seconds()
        if waited > most:
            raise Refused(408, f"the request was not whole after {most:g} s")
        if waited < 0:
            self._waiting_since = now  # the clock was set back


def _answerable(heard: Sequence[Heard], request: _Request, close: bool) -> Iterator[Heard]:
    """Give several messages of one request one answer, of the last: it is good when all are kept."""
    panels = {panel.source: panel for panel in request.panels}
    known = [message for message in heard if message.source in panels]
    refuse = answers.answer(503, "this cannot be kept now: send it again later", close=close, extra=_RETRY)
    if not known:
        who = ", ".join(printable(message.source, 40) for message in heard[:3]) or "nobody"
        text = f"no device here has the address {who}: add it to the site file"
        nobody = answers.answer(404, text, close=close)
        for message in heard[:-1]:
            yield replace(message, reply=b"", refuse=b"")
        if heard:
            yield replace(heard[-1], reply=nobody, refuse=nobody)
        else:
            yield Heard(
                "", reply=answers.write(200, '{"result": "nothing"}', close=close), label="no records"
            )
        return
    for message in heard:
        if message.source not in panels:
            yield replace(message, reply=b"", refuse=b"")
    for message in known[:-1]:
        yield replace(message, reply=b"", refuse=refuse, joined=True)
    reply = answers.write(200, known[-1].reply.decode(), close=close)
    yield replace(known[-1], reply=reply, refuse=refuse)


_Form = tuple[tuple[str, ...], str, str, str]
"""What of a format says who a record is from."""


def _form(options: Options) -> _Form:
    return options.sources, options.records, options.part, options.charset


def _read(request: _Request) -> tuple[Json, dict[str, tuple[Panel | None, list[Any]]]]:
    """Return the message and its records by who they are from, as the first format reads them that knows somebody."""
    fault: FrameDamaged | None = None
    best: tuple[Json, dict[str, tuple[Panel | None, list[Any]]]] | None = None
    tried: set[_Form] = set()
    bodies: dict[tuple[str, str], Json] = {}
    for panel in request.panels:
        options, form = panel.options, _form(panel.options)
        if form in tried:
            continue
        tried.add(form)
        try:
            how = options.part, options.charset
            if how not in bodies:
                kind = request.headers.get("content-type", b"").decode("latin-1")
                bodies[how] = read(bytes(request.body), kind, *how)
            message = bodies[how]
            found = _by_source(request, message, form, options)
        except FrameDamaged as err:
            fault = fault or err
            continue
        if best is None or any(panel is not None for panel, _ in found.values()):
            best = message, found
            if any(panel is not None for panel, _ in found.values()):
                break
    if best is not None:
        return best
    assert fault is not None
    raise Refused(415 if isinstance(fault, NoJson) else 422, str(fault))


def _by_source(
    request: _Request, message: Json, form: _Form, options: Options
) -> dict[str, tuple[Panel | None, list[Any]]]:
    known = {panel.source: panel for panel in request.panels if _form(panel.options) == form}
    found: dict[str, tuple[Panel | None, list[Any]]] = {}
    records = records_in(message, options)
    for record in records or [{}]:
        named = (_source(request, message, record, where) for where in options.sources)
        source = next((name for name in named if name), "")
        if not source:
            where = " and ".join(options.sources)
            raise FrameDamaged(f"nothing says which device this is from: {where} is missing")
        found.setdefault(source, (known.get(source), []))[1].extend([record] if records else ())
    return found


def _source(request: _Request, message: Json, record: Any, where: str) -> str:
    path, query = _split(request.asked.target)
    if where == "path":
        text = path
    elif where.startswith("header:"):
        text = request.headers.get(where[7:].lower(), b"").decode("latin-1")
    elif where.startswith("query:"):
        pairs = parse_qsl(query, max_num_fields=50) if query.count("&") < 50 else []
        text = next((value for name, value in pairs if name == where[6:]), "")
    else:
        text = words(at_pointer(message, record, where))
    return printable(text, LONGEST_SOURCE).upper()


def _split(target: str) -> tuple[str, str]:
    """Return path and query, of a whole address too."""
    scheme, found, rest = target.partition("://")
    if found and scheme.isalpha():
        target = "/" + rest.partition("/")[2]
    path, _, query = target.partition("?")
    return path, query.partition("#")[0]


def _headers(event: h11.Request) -> Headers:
    found: dict[str, bytes] = {}
    for name, value in event.headers:
        found.setdefault(name.decode("latin-1"), value)
    return found


def _some(fits: list[bool]) -> bool:
    """Say whether one is so, all being looked at: how long it takes tells nothing."""
    return True in fits


def _unknown(panels: Sequence[Panel], asked: Asked) -> Refused:
    kinds = {panel.lock.how for panel in panels}
    wanted = list(asked.nonces.challenges(asked.now)) if "digest" in kinds else []
    wanted += ['WWW-Authenticate: Basic realm="gatehouse"'] if "basic" in kinds else []
    first = "digest" in kinds and "authorization" not in asked.headers  # how every digest begins
    text = "the key is missing or wrong"
    return Refused(401, text, *(wanted or ["WWW-Authenticate: Bearer"]), wrong=not first)


def _too_long(most: int) -> Refused:
    return Refused(
        413, f"the body has more than {most} bytes: send fewer records at once, or smaller pictures"
    )
