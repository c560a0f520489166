"""A connection that must say what it wants and take what it gets: one that is silent, or does not read its answer, is closed."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from faltung.app.server.limits import HEAD_SECONDS

__all__ = ["PromptConnection"]


class PromptConnection(H11Protocol):
    """uvicorn's HTTP/1.1, with a limit of time for heads; uvicorn itself has one for the silence after an answer."""

    _clock: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Start the clock."""
        super().connection_made(transport)
        self._await_head()

    def on_response_complete(self) -> None:
        """Start it again, for the next request."""
        super().on_response_complete()
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop it."""
        super().connection_lost(exc)
        if self._clock is not None:
            self._clock.cancel()

    def _await_head(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
        self._clock = self.loop.call_later(HEAD_SECONDS, self._close_unless_begun, self.cycle)

    def _close_unless_begun(self, before: Any) -> None:
        if self.cycle is before:
            self.transport.abort()  # also one that is closing: it would wait for as long as its last answer is not read
