"""Every problem that a user can meet: the HTTP answers and the dead letters share this list.

A problem has a slug, an HTTP status, a title and a remedy; ``Problem`` is the exception that carries
one of them together with the fields that are wrong.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One entry of the list.

    Attributes
    ----------
    slug : str
        Name in ``/problems/{slug}`` and in the ``reason`` header of a dead letter.
    status : int
        HTTP status of an answer with this problem. Dead letters use the same entry.
    title : str
        What is wrong, in one line.
    remedy : str
        What to do about it.
    """

    slug: str
    status: int
    title: str
    remedy: str


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field of a match or a request.

    Attributes
    ----------
    field : str
        Path of the field, such as ``sides[1].players[0]``; empty for the whole.
    problem : str
        What is wrong with it.
    remedy : str
        What would be right.
    """

    field: str
    problem: str
    remedy: str


PROBLEMS: dict[str, ProblemType] = {
    entry.slug: entry
    for entry in (
        ProblemType("malformed", 400, "Not readable", "Send well-formed JSON in UTF-8; use cursors as given."),
        ProblemType("no_key", 401, "A key is needed", "Send the header 'Authorization: Bearer KEY'."),
        ProblemType("missing_scope", 403, "The key may not do this", "Use a key with the scope that the detail names."),
        ProblemType("not_found", 404, "No such page", "See /openapi.json for the paths that exist."),
        ProblemType("unknown_pool", 404, "No match of this pool was seen", "GET /v1/pools lists the pools."),
        ProblemType("unknown_player", 404, "No match of this player was seen", "Check the spelling; case counts."),
        ProblemType("unknown_name", 404, "No such name", "The detail lists the names that are known."),
        ProblemType("method_not_allowed", 405, "This path does not take the method", "See the Allow header."),
        ProblemType("not_applied_yet", 409, "Not applied yet", "Ask again after a moment, or give wait= up to 10 s."),
        ProblemType(
            "not_fitted_yet",
            409,
            "The results are not fitted yet",
            "Ask again after a moment, with 'standings refit' running; or choose a policy that does without.",
        ),
        ProblemType(
            "campaign_ended", 410, "The campaign has ended", "GET the campaign for its certificate; begin another one."
        ),
        ProblemType(
            "campaign_void",
            410,
            "Nothing can be certified by what was counted",
            "Delete the campaign and begin another one, in a pool where no match weighs more than 1.",
        ),
        ProblemType("cursor_expired", 410, "The list was rebuilt since this page", "Begin again at the first page."),
        ProblemType("too_large", 413, "The body is too large", "Send several smaller requests."),
        ProblemType("unsupported_media_type", 415, "The body is not JSON", "Send 'Content-Type: application/json'."),
        ProblemType("invalid_parameter", 422, "A parameter cannot be used", "See the field and its remedy."),
        ProblemType(
            "pairs_not_kept",
            422,
            "The pool keeps no pairs",
            "Set 'pairs = true' for it in the pools file, and rebuild its partition; or do without what needs them.",
        ),
        ProblemType("invalid_match", 422, "A match cannot be used", "See the field and its remedy."),
        ProblemType("shape_not_taken", 422, "The rating system does not take such a match", "See the detail."),
        ProblemType(
            "too_few_candidates", 422, "Fewer players to choose from than sides", "Name more, or ask for fewer sides."
        ),
        ProblemType(
            "too_many_campaigns", 422, "The pool has as many campaigns as it may", "Delete one that has ended."
        ),
        ProblemType("id_reused", 422, "An id was used for another match", "Give each match an id of its own."),
        ProblemType("wrong_key", 422, "The record's key is not its pool", "Use the pool's name as the record's key."),
        ProblemType(
            "wrong_partition",
            422,
            "The record is not in its pool's partition",
            "Let the producer choose the partition by the key, with the partitioner that ingest is set to.",
        ),
        ProblemType("record_too_large", 422, "A record is larger than 1 MiB", "Split the match or shorten names."),
        ProblemType("skipped", 422, "An operator passed this record", "Send its match again, if it can be found."),
        ProblemType("null_value", 422, "A record has no value", "Send a match; a match cannot be deleted."),
        ProblemType("rate_limited", 429, "The key asks too often", "Ask again after a moment, less often."),
        ProblemType("internal", 500, "A fault of the service", "Report it with the trace id."),
        ProblemType("redis_unavailable", 503, "Redis does not answer", "Try again later."),
        ProblemType("kafka_unavailable", 503, "Kafka does not take matches", "Send the same body again later."),
        ProblemType(
            "unreadable",
            503,
            "What is stored cannot be read",
            "An operator has to rebuild the partition, or run the version of the service that wrote it.",
        ),
        ProblemType("timed_out", 503, "The request took too long", "Send it again: a match counts once."),
        ProblemType("too_busy", 503, "Too many requests at once", "Try again after a moment."),
    )
}


class Problem(Exception):
    """A problem met by a user of the service.

    Parameters
    ----------
    slug : str
        A key of ``PROBLEMS``.
    detail : str
        What is wrong in this case.
    errors : tuple of FieldError
        The fields concerned, if any.

    Examples
    --------
    >>> Problem("null_value", "offset 3 has no value").type.status
    422
    """

    def __init__(self, slug: str, detail: str, errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(detail)
        self.type = PROBLEMS[slug]
        self.detail = detail
        self.errors = errors


def wrong_field(slug: str, field: str, problem: str, remedy: str) -> Problem:
    """Build the problem of one wrong field; its detail names the field."""
    return Problem(slug, f"{field}: {problem}" if field else problem, (FieldError(field, problem, remedy),))
