"""The yardstick of the API: Starlette and nothing else, doing the same reads of Redis. Run by `benchmarks.serving`."""

from __future__ import annotations

import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from service.pools import Pools
from service.settings import Settings
from service.store.board import Around, Boards, FromPlace, Named, Where
from service.store.connection import Store
from service.store.partitions import Partitions

settings = Settings()
store = Store(settings.redis.get_secret_value())
boards = Boards(Partitions(store, settings.installation, settings.topic, settings.partitioner))
pool = Pools().configured(os.environ["BENCH_POOL"])


async def _page(where: Where, limit: int) -> Response:
    page = await boards.page(pool, pool.live, where, limit)
    return JSONResponse({"players": page.players, "values": page.values.tolist(), "position": str(page.position)})


async def player(request: Request) -> Response:
    """Read one player."""
    return await _page(Named((request.path_params["player"],)), 1)


async def leaderboard(request: Request) -> Response:
    """Read a page from the top, or around a player."""
    around = request.query_params.get("around")
    return await _page(Around(around) if around else FromPlace(0), int(request.query_params.get("limit", "50")))


app = Starlette(
    routes=[
        Route("/v1/pools/{pool}/players/{player:path}", player),
        Route("/v1/pools/{pool}/leaderboard", leaderboard),
    ]
)
