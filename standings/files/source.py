"""Source: a file and how its rows are to be read, as the commands' options say it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from service.fields import is_slug
from standings.errors import Mistake
from standings.files.columns import Columns, value_of
from standings.files.presets import PRESETS
from standings.files.shapes import Common, Shape

CSV_ENDINGS: Final = (".csv", ".tsv")


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A file and how its rows are to be read.

    Attributes
    ----------
    file : str
        Path; unpacked on the way where it ends in ``.gz``; ``-`` is standard input.
    preset : str, optional
        Name of a shape that many files have; see `PRESETS`.
    side : sequence of str
        ``PLAYER:SCORE``, the columns of each side.
    winner, loser : str, optional
        The columns of the two sides, where there are no scores.
    tie : str, optional
        ``COLUMN=VALUE``: a row with this value is a tie of winner and loser.
    at : str, optional
        The column of the time, or one time for all rows.
    id : str, optional
        The column of ids that are unique in the file; made from content without it.
    pool : str, optional
        The pool of all rows; the file's name without its endings unless given.
    home : int, optional
        Which side is at home, from 0.
    neutral : str, optional
        ``COLUMN=VALUE``: nobody is at home in a row with this value.
    strict : bool
        Whether the first bad row ends it all.
    """

    file: str
    preset: str | None = None
    side: tuple[str, ...] = ()
    winner: str | None = None
    loser: str | None = None
    tie: str | None = None
    at: str | None = None
    id: str | None = None
    pool: str | None = None
    home: int | None = None
    neutral: str | None = None
    strict: bool = False

    @property
    def is_csv(self) -> bool:
        """Whether the file's name says that it is CSV."""
        return self.file.lower().removesuffix(".gz").endswith(CSV_ENDINGS)

    def shape(self) -> Shape | None:
        """Give what turns its rows into matches; None where they are matches already.

        Raises
        ------
        Mistake
            The options do not go together; one of them is named, with what to do.
        """
        columns = {
            "--side": bool(self.side),
            "--winner": self.winner is not None,
            "--loser": self.loser is not None,
            "--tie": self.tie is not None,
            "--home": self.home is not None,
            "--neutral": self.neutral is not None,
        }
        given = [option for option, there in columns.items() if there]
        if self.preset is not None:
            if self.preset not in PRESETS:
                raise Mistake(f"--preset {self.preset}: there are: {', '.join(PRESETS)}")
            if given:
                raise Mistake(f"{given[0]} does not go with --preset, which knows its columns")
            return PRESETS[self.preset](self._common())
        if given or self.is_csv or not (self.at is self.id is self.pool is None):
            self._check_columns()
            return Columns(
                self._common(),
                sides=[_side(text) for text in self.side],
                duel=(self.winner, self.loser) if self.winner is not None and self.loser is not None else None,
                tie=value_of("--tie", self.tie),
                home=self.home,
                neutral=value_of("--neutral", self.neutral),
            )
        return None

    def _check_columns(self) -> None:
        """Refuse options of columns that do not say a match, or say it twice."""
        duel = self.winner is not None and self.loser is not None
        if not (self.side or self.winner or self.loser):
            raise Mistake(
                "no columns are named: --side PLAYER:SCORE for each side, or --winner COLUMN --loser COLUMN,"
                f" or --preset NAME ({', '.join(PRESETS)})"
            )
        if self.side and (self.winner or self.loser or self.tie):
            raise Mistake("--side does not go with --winner, --loser and --tie: scores say who won")
        if self.side and len(self.side) < 2:
            raise Mistake("--side: name the columns of each side, two or more")
        if not (self.side or duel):
            raise Mistake(f"{'--loser' if self.winner else '--winner'} is missing: the two go together")
        if self.home is not None and not 0 <= self.home < len(self.side):
            raise Mistake(f"--home {self.home}: the number of a --side, from 0")
        if self.neutral is not None and self.home is None:
            raise Mistake("--neutral says where --home does not count: name --home too")

    def _common(self) -> Common:
        pool = self.pool
        if pool is None:
            pool = Path(self.file).name.partition(".")[0]
            if not is_slug(pool):
                raise Mistake(f"the file's name {self.file!r} is none for a pool: --pool NAME")
        elif not is_slug(pool):
            raise Mistake(f"--pool {pool}: letters, digits, '.', '_' and '-', a letter or digit first, at most 128")
        return Common(pool, self.at, self.id)


def _side(text: str) -> tuple[str, str]:
    player, colon, score = text.rpartition(":")
    if not (colon and player and score):
        raise Mistake(f"--side {text}: a side is given as PLAYER:SCORE, the names of two columns")
    return player, score
