"""Every key in Redis: its type, what it holds, who writes it.

All keys of a partition share one hash tag, ``{installation/topic/partition}``, so they lie in one slot and
one script may touch them together. All but ``live`` and ``skipped``, which operators alone write, ``group`` and those
of matchups and campaigns carry a generation, so that a partition can be built again beside the one that is read, and
switched in by one write.

===================  ======  =========================================================================
key after the tag    type    holds
===================  ======  =========================================================================
live                 string  the generation that is read; absent means 1
skipped              hash    offset -> when an operator decided to pass it, epoch milliseconds; never taken back
group                string  the consumer group that brings the topic in; of partition 0, for the whole topic
leases/pool          hash    id of a matchup -> its open lease: `service.store.leases.Lease`
exposure/pool        hash    player -> how often and where it was shown: `service.store.leases.Exposure`
taken                hash    pool -> how many leases were ever taken
campaigns/pool       hash    id -> what a campaign is and how it ended: `service.store.campaigns.Begun`
counted/pool         hash    id of a campaign -> counts of its pairs when it began, until it has ended
certificates/pool    hash    id of a campaign -> how it ended: `service.campaigns.certificate.Certificate`
G/state              hash    position, layout, torn, partitions, the anchor, counts of records
G/fingerprints       hash    ``pool/system`` -> what decides its numbers, as JSON
G/pools              zset    names of the pools, all of score 0, for paging in order
G/totals             hash    pool -> matches, revision, last match: `service.store.rows.Totals`
G/learned            hash    ``pool/system`` -> the pool's row, then the prediction scores
G/arenas             hash    pool that keeps pairs -> `service.store.rows.PairTotals`
G/changes            stream  the last batches: which players of which pools each touched
G/receipts           stream  the last records that asked for one: what became of them
G/seen               hash    block -> ids of accepted matches: `service.store.rows.SEEN`
G/rows/pool/system   hash    player -> tallies, then skills, as packed floats
G/board/pool/system  zset    player, by the board's value
G/numbers/pool       hash    player -> number by which pairs name it, from 0 in the order of coming
G/pairs/pool         hash    number of a pair (`service.pairs`) -> `service.pairs.PairCount`, as packed floats
G/paired/pool        zset    number of a pair, by the position that has its last match in
G/fits/pool          hash    offset, players, noise and sites of the joint posterior: `service.store.fits.Fit`
===================  ======  =========================================================================

All of ``G/`` but the fits is written by ``apply_batch.lua`` alone and is a function of the partition's records. A fit
is one up to a tolerance, written by ``refit``; it may be deleted at any time, and comes again. ``group`` is not:
ingest notes it. Nor are the three of matchups: the API writes them (``take_leases.lua``), ``apply_batch.lua`` closes
the leases whose results it brings in, and losing them costs repeated matchups. Nor are the three of campaigns, which
the API writes; losing them loses when each began. ``verify`` and ``rebuild`` leave all seven alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LAYOUT: Final = "5"
"""Version of all that is written above and of the row formats."""

FIRST_GENERATION: Final = "1"


@dataclass(frozen=True, slots=True)
class Keys:
    """Names the keys of one partition in one generation.

    Examples
    --------
    >>> Keys("standings", "matches", 3).state
    '{standings/matches/3}/1/state'
    """

    installation: str
    topic: str
    partition: int
    generation: str = FIRST_GENERATION

    @property
    def live(self) -> str:
        """Key of the generation that is read."""
        return f"{self._tag}/live"

    @property
    def skipped(self) -> str:
        """Offsets that an operator decided to pass, whatever the generation."""
        return f"{self._tag}/skipped"

    @property
    def group(self) -> str:
        """Consumer group that brings the topic in; asked of partition 0."""
        return f"{self._tag}/group"

    @property
    def _tag(self) -> str:
        return f"{{{self.installation}/{self.topic}/{self.partition}}}"

    @property
    def taken(self) -> str:
        """Leases that were ever taken, by pool."""
        return f"{{{self.installation}/{self.topic}/{self.partition}}}/taken"

    def leases(self, pool: str) -> str:
        """Open leases of a pool."""
        return f"{{{self.installation}/{self.topic}/{self.partition}}}/leases/{pool}"

    def exposure(self, pool: str) -> str:
        """How often each player of a pool was suggested."""
        return f"{{{self.installation}/{self.topic}/{self.partition}}}/exposure/{pool}"

    def campaigns(self, pool: str) -> str:
        """Campaigns of a pool."""
        return f"{self._tag}/campaigns/{pool}"

    def counted(self, pool: str) -> str:
        """What was counted of the pairs of each campaign that is open when it began."""
        return f"{self._tag}/counted/{pool}"

    def certificates(self, pool: str) -> str:
        """How campaigns of a pool ended."""
        return f"{self._tag}/certificates/{pool}"

    def _key(self, rest: str) -> str:
        return f"{self._tag}/{self.generation}/{rest}"

    @property
    def state(self) -> str:
        """Position, layout, torn mark, anchor, counts."""
        return self._key("state")

    @property
    def fingerprints(self) -> str:
        """What decided each pool's numbers."""
        return self._key("fingerprints")

    @property
    def pools(self) -> str:
        """Names of the pools."""
        return self._key("pools")

    @property
    def totals(self) -> str:
        """Totals of each pool."""
        return self._key("totals")

    @property
    def learned(self) -> str:
        """What each system learned about a pool as a whole."""
        return self._key("learned")

    @property
    def arenas(self) -> str:
        """What is counted of each pool's pairs."""
        return self._key("arenas")

    @property
    def seen(self) -> str:
        """Ids of accepted records."""
        return self._key("seen")

    @property
    def changes(self) -> str:
        """What the last batches touched."""
        return self._key("changes")

    @property
    def receipts(self) -> str:
        """What became of the last records that asked."""
        return self._key("receipts")

    def rows(self, pool: str, system: str) -> str:
        """Players' rows."""
        return self._key(f"rows/{pool}/{system}")

    def board(self, pool: str, system: str) -> str:
        """Players in order."""
        return self._key(f"board/{pool}/{system}")

    def numbers(self, pool: str) -> str:
        """Players' numbers among pairs."""
        return self._key(f"numbers/{pool}")

    def pairs(self, pool: str) -> str:
        """Counts of pairs."""
        return self._key(f"pairs/{pool}")

    def paired(self, pool: str) -> str:
        """When each pair last changed."""
        return self._key(f"paired/{pool}")

    def fit(self, pool: str) -> str:
        """Joint posterior of all skills, as fitted last."""
        return self._key(f"fits/{pool}")
