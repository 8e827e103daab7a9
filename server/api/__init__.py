"""The HTTP side: `create_app(services)` is the ASGI application, `background(services)` what must run beside it."""

from server.api.app import background, create_app

__all__ = ["background", "create_app"]
