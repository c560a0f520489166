"""The routes: the page's files, questions, uploads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from faltung.app.bundle import page_modules
from faltung.app.server.computing import Computing
from faltung.app.server.guard import Guard
from faltung.app.server.limits import (
    BODY_SECONDS,
    MOST_BYTES,
    QUESTION_BYTES,
    QUICK,
    QUICK_SECONDS,
    SLOW_SECONDS,
    UPLOAD_SECONDS,
    UPLOADS_AT_ONCE,
)
from faltung.app.server.page_files import page_file
from faltung.app.server.questions import problem
from faltung.app.uploads import Uploads
from faltung.errors import ConvError

__all__ = ["Refused", "make_application"]


class Refused(Exception):
    """A body that is not read to its end."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def make_application(port: int, token: str) -> Guard:
    """The application for a server on `port`, behind its guard."""
    uploads = Uploads()
    uploading = asyncio.Semaphore(UPLOADS_AT_ONCE)
    quick, slow = Computing(uploads, QUICK_SECONDS), Computing(uploads, SLOW_SECONDS)

    # All modules are asked for at once, and not each when the one that imports it has come.
    preloaded = {"link": ", ".join(f"</{path}>; rel=modulepreload" for path in page_modules("main.js"))}

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        warming = asyncio.create_task(quick.start())
        try:
            yield
        finally:
            warming.cancel()
            await asyncio.gather(warming, return_exceptions=True)
            await asyncio.gather(quick.end(), slow.end())

    async def ask(request: Request) -> Response:
        _expect(request, "application/json")
        body = await _body(request, QUESTION_BYTES, BODY_SECONDS)
        question = request.path_params["question"]
        if not (question.isascii() and question.isidentifier() and len(question) <= 20):
            return JSONResponse(problem("there is no such question.", "The page of the playground knows those that there are."))
        return Response(await (quick if question in QUICK else slow).ask(question, body), media_type="application/json")

    async def upload(request: Request) -> Response:
        _expect(request, "application/octet-stream")
        try:
            async with uploading:
                return JSONResponse({"upload": uploads.keep(await _body(request, MOST_BYTES, UPLOAD_SECONDS))})
        except ConvError as error:
            return JSONResponse(problem(error.problem, error.remedy))

    async def page(request: Request) -> Response:
        found = page_file(request.url.path)
        if found is None:
            raise Refused(404, "There is no such file.")
        return Response(found[0], media_type=found[1], headers=preloaded if found[1].startswith("text/html") else None)

    async def refused(_: Request, error: Exception) -> Response:
        status = error.status if isinstance(error, Refused) else 400
        return JSONResponse(problem(str(error)), status, headers={"connection": "close"})

    routes = [
        Route("/ask/{question}", ask, methods=["POST"]),
        Route("/upload", upload, methods=["POST"]),
        Route("/{file:path}", page, methods=["GET"]),
    ]
    return Guard(Starlette(routes=routes, lifespan=lifespan, exception_handlers={Refused: refused}), port, token)


def _expect(request: Request, kind: str) -> None:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != kind:
        raise Refused(415, f"Expected Content-Type: {kind}.")


async def _body(request: Request, most: int, seconds: float) -> bytes:
    """All of the body, if it is short enough and comes soon enough; it is counted while it is read, whatever its head says."""
    too_long = Refused(413, f"More than {most} bytes are not taken.")
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length[:20]) > most:
        raise too_long
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise too_long
    except TimeoutError:
        raise Refused(408, f"The body took longer than {seconds:g} s.") from None
    except ClientDisconnect:
        raise Refused(400, "The connection ended inside the body.") from None
    return bytes(body)
