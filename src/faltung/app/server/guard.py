"""Who may ask: every request passes here before anything of it is used, and every answer leaves with the headers that bind the browser.

- `Host` names this server's own loopback address: a name of somebody else that resolves to this machine (DNS rebinding) is refused.
- What acts (POST) comes from this server's own page (`Origin`) and knows the token of this start. The token travels in a header, which no
  page of another origin can set, and is in no cookie, which would go to every other server of this machine as well.
- What reads (GET) gives the files of the page and nothing else.
"""

from __future__ import annotations

import json
import logging
import secrets

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["CONTENT_SECURITY_POLICY", "TOKEN_HEADER", "Guard", "refuse"]

TOKEN_HEADER = "x-faltung-token"

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)

_HEADERS = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-embedder-policy", b"require-corp"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"cache-control", b"no-store"),
)


class Guard:
    """An application behind the checks.

    Parameters
    ----------
    app : ASGI application
    port : int
        That the server listens on.
    token : str
        Of this start.
    """

    def __init__(self, app: ASGIApp, port: int, token: str) -> None:
        self.app = app
        self.hosts = frozenset(f"{name}:{port}".encode() for name in ("127.0.0.1", "localhost"))
        self.token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        begun = False

        async def send_bound(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                own = [pair for pair in message.get("headers", ()) if pair[0].lower() not in dict(_HEADERS)]
                message = {**message, "headers": [*own, *_HEADERS]}
            await send(message)

        refused = self._refusal(scope)
        if refused is not None:
            await refuse(send_bound, *refused)
            return
        try:
            await self.app(scope, receive, send_bound)
        except Exception:
            logging.getLogger("faltung.app").exception("%s %s", scope["method"], scope["path"])
            if not begun:
                await refuse(send_bound, 500, "This went wrong inside; the terminal has the rest.")

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Status and words for a request that is not let through."""
        given: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            given.setdefault(name.lower(), []).append(value)
        hosts = given.get(b"host", [])
        if len(hosts) != 1 or hosts[0].lower() not in self.hosts:
            here = " or ".join(sorted(host.decode() for host in self.hosts))
            return 421, f"This server answers at {here} alone. Forwarded ports must have the same number on both sides."
        origins, site = given.get(b"origin", []), given.get(b"sec-fetch-site", [b"none"])
        own = [b"http://" + hosts[0].lower()]
        if origins not in ([], own):
            return 403, "Pages of other origins may not ask here."
        if scope["method"] in ("GET", "HEAD"):
            if site[0] not in (b"none", b"same-origin") and given.get(b"sec-fetch-mode") != [b"navigate"]:
                return 403, "Pages of other origins may not load this."
            return None
        if scope["method"] != "POST":
            return 405, "GET for the page, POST for questions."
        if origins != own or site[0] not in (b"none", b"same-origin"):
            return 403, "Questions come from the page of this server: the header Origin names it."
        tokens = given.get(TOKEN_HEADER.encode(), [])
        if len(tokens) != 1 or not secrets.compare_digest(tokens[0], self.token):
            return 401, "The token is not that of this start. Open the address that the terminal shows."
        return None


async def refuse(send: Send, status: int, message: str) -> None:
    """Answer with a problem in words, and close the connection: what else it carries is not read."""
    body = json.dumps({"problem": {"message": message, "hint": "", "remedies": []}}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
