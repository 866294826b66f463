"""What every answer tells browsers: take it for nothing else, keep it nowhere, show it in no other page.

There is no CORS header: no page of another origin reads an answer. That a host is asked over TLS alone (HSTS) is for
whoever ends TLS to say.
"""

from __future__ import annotations

from typing import Final

ALWAYS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
CACHE: Final = (b"cache-control", b"no-store")
POLICY: Final = b"content-security-policy"
DATA: Final = (POLICY, b"default-src 'none'; frame-ancestors 'none'")
PAGE: Final = (
    POLICY,
    b"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
)


def harden(headers: list[tuple[bytes, bytes]]) -> None:
    """Add to an answer's headers; a route's own word on caching and on what its page may load stands.

    Parameters
    ----------
    headers : list of (name, value)
        Names in small letters, as ASGI has them.

    Examples
    --------
    >>> headers = [(b"content-type", b"application/json"), (b"cache-control", b"private, no-cache")]
    >>> harden(headers)
    >>> [name.decode() for name, _ in headers[2:]]
    ['x-content-type-options', 'referrer-policy', 'cross-origin-resource-policy', 'content-security-policy']
    """
    given = dict(headers)
    headers += ALWAYS
    if CACHE[0] not in given:
        headers.append(CACHE)
    if POLICY not in given:
        headers.append(PAGE if given.get(b"content-type", b"").startswith(b"text/html") else DATA)
