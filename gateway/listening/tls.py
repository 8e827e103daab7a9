"""TLS on a listening line: certificates that are read anew when they change, and handshakes that come to an end."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from drivers.api import Heard
from drivers.errors import LineDown
from gateway.listening.hearing import Hearing
from gateway.listening.limits import Bucket
from gateway.listening.peers import LONGEST_BRAKE_S
from gateway.site.listening import TlsFiles
from gateway.site.tls import Certificate, Mark, TlsWrong, certificate_of, exposed, mark_of
from messages.text import printable

log = logging.getLogger(__name__)

HANDSHAKE_S = 10.0

_MEANS = {
    "HTTP_REQUEST": "it speaks HTTP without TLS here: let it send to https://",
    "WRONG_VERSION_NUMBER": "what it sends is no TLS: let it use TLS",
    "UNSUPPORTED_PROTOCOL": "its TLS is older than 1.2",
    "NO_SHARED_CIPHER": "it knows none of our ciphers",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it shows no certificate, and client_ca_file asks for one",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not trust our certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "it does not trust our certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it does not trust our certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "our certificate has expired, it says",
}


class NotSecured(Exception):
    """A peer with which there is no TLS; `wrong` where there is something to mend, not only a connection that ended."""

    def __init__(self, text: str, *, wrong: bool) -> None:
        super().__init__(text)
        self.wrong = wrong


Came = Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]


class _Secured(asyncio.StreamReaderProtocol):
    def eof_received(self) -> bool:
        """End with the peer: under TLS neither side can speak on alone."""
        super().eof_received()
        return False


@dataclass(slots=True, eq=False)
class Secured:
    """What the handshakes of one line need. Files that change are read for the next connection; peers stay."""

    hearing: Hearing
    files: TlsFiles
    _shown: Certificate | None = None
    _mark: Mark = ()
    _said: dict[str, None] = field(default_factory=dict)

    def begin(self) -> None:
        """Read the certificate; raise `LineDown` where there is none to show."""
        try:
            self._mark = mark_of(self.files)
            self._shown = certificate_of(self.files)
        except TlsWrong as err:
            raise LineDown(f"tls.{err.key}: {printable(str(err), 300)}") from None
        self._tell(self._shown.trouble(self.hearing.around.clock()))
        self._tell(exposed(self.files))

    def context(self) -> ssl.SSLContext:
        """Return what the next handshake is made by: of what lies in the files now, or last could be used."""
        assert self._shown is not None
        mark = mark_of(self.files)
        if mark != self._mark:
            self._mark = mark
            try:
                self._shown = certificate_of(self.files)
                self._said.clear()
                ends = self._shown.ends.date()
                log.info("line %s: shows the new certificate, good until %s", self.hearing.line, ends)
            except TlsWrong as err:
                self._tell(
                    f"tls.{err.key}: {printable(str(err), 300)}; the certificate before it is shown on"
                )
        self._tell(self._shown.trouble(self.hearing.around.clock()))
        return self._shown.context

    async def serve(self, came: Came, host: str, port: int, *, limit: int, backlog: int) -> asyncio.Server:
        """Listen as `asyncio.start_server` does, with no handshake yet: who may not speak comes to none."""
        loop = asyncio.get_running_loop()
        return await loop.create_server(
            lambda: _Secured(asyncio.StreamReader(limit=limit), came), host, port, backlog=backlog
        )

    def wait(self, writer: asyncio.StreamWriter) -> None:
        """Leave unread what a new peer sends, for the handshake."""
        transport = writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()

    async def meets(self, writer: asyncio.StreamWriter, name: str, messages: Bucket) -> bool:
        """Make the handshake; of a peer with which there is none say why, once for each host and reason."""
        if brake := messages.take(1, self.hearing.around.monotonic()):
            await asyncio.sleep(min(brake, LONGEST_BRAKE_S))
        try:
            await secure(writer, self.context())
        except NotSecured as err:
            writer.transport.abort()
            if err.wrong:
                await self.hearing.take(Heard("", label=f"TLS: {err}", wrong=True), name)
            else:
                log.info("line %s: %s: %s", self.hearing.line, printable(name, 60), err)
            return False
        return True

    def _tell(self, trouble: str) -> None:
        if trouble and trouble not in self._said:
            self._said[trouble] = None
            log.warning("line %s: %s", self.hearing.line, trouble)


async def secure(writer: asyncio.StreamWriter, context: ssl.SSLContext) -> None:
    """Make the handshake with a peer of which nothing was read yet; raise `NotSecured`."""
    try:
        await writer.start_tls(context, ssl_handshake_timeout=HANDSHAKE_S)
    except ssl.SSLError as err:
        raise NotSecured(_why(err), wrong=True) from None
    except ConnectionAbortedError:
        raise NotSecured(f"no TLS handshake within {HANDSHAKE_S:g} s", wrong=True) from None
    except (OSError, AttributeError):  # asyncio has no transport to give where the peer left in that moment
        raise NotSecured("it has left in the middle of the handshake", wrong=False) from None


def _why(err: ssl.SSLError) -> str:
    if isinstance(err, ssl.SSLCertVerificationError):
        return f"its certificate is none of client_ca_file: {printable(err.verify_message, 80)}"
    reason = err.reason or ""
    return (
        _MEANS.get(reason) or f"no TLS with it: {printable(reason.replace('_', ' ').lower() or str(err), 80)}"
    )
