"""The engineer's tools at the gateways: jobs asked for here, carried out there, and what they found kept here."""

from server.tools.service import ToolDesk

__all__ = ["ToolDesk"]
