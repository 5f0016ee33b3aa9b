"""A FastAPI service: configured when it starts, delivered when it ends."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, Request, Response
from share import Share

import wiltonos_otel

share = Share()


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Uvicorn handles SIGTERM by itself, so the end is said here."""
    wiltonos_otel.configure(service_name="example-fastapi")
    yield
    wiltonos_otel.shutdown()


app = FastAPI(lifespan=lifespan)


@app.middleware("http")
async def measure(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    """Note how each request ended."""
    well = False
    try:
        response = await call_next(request)
        well = response.status_code < 500
    finally:
        share.ended(well)
    return response


@app.get("/order")
async def order() -> dict[str, str]:
    """What the service is there for."""
    return {"status": "taken"}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8080")))
