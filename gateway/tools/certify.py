"""To come."""

from gateway.tools.work import Work
from messages.tool_args import CertifyArgs


async def certify(work: Work, args: CertifyArgs) -> None:
    """To come."""
