"""The front door: the command, offline work on files, the embedded servers; and what Python users import.

>>> from standings import rate
>>> sides = [{"players": ["ann"], "rank": 1}, {"players": ["bob"], "rank": 2}]
>>> [(player.player, round(player.rating)) for player in rate([{"pool": "chess", "at": 0, "sides": sides}]).players]
[('ann', 1609), ('bob', 1391)]
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.match import Match, Side
    from standings.files.source import Source
    from standings.notebook import Prediction, Rated, compare, evaluate, predict, rate

__all__ = ["Match", "Prediction", "Rated", "Side", "Source", "compare", "evaluate", "predict", "rate"]

if not TYPE_CHECKING:
    _homes = {"Match": "service.match", "Side": "service.match", "Source": "standings.files.source"}

    def __getattr__(name: str) -> object:
        # The command passes here too and must not wait for the compiler of what it does not use.
        if name not in __all__:
            raise AttributeError(f"module 'standings' has no attribute {name!r}")
        return getattr(import_module(_homes.get(name, "standings.notebook")), name)
