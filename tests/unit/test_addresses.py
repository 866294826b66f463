"""Addresses of Redis as they are written: what a connection is made of, and what is refused."""

from __future__ import annotations

import pytest

from service.store.cluster import Alone, Cluster, nodes
from service.store.node import options_of


def test_every_node_has_the_login_and_the_options() -> None:
    first, second = options_of("rediss+cluster://app:se%2Cc@one:7000,[::1]:7001/0?ssl_ca_certs=ca.pem")
    assert (first.pop("host"), first.pop("port"), second.pop("host"), second.pop("port")) == ("one", 7000, "::1", 7001)
    assert first == second
    assert (first["username"], first["password"], first["ssl_ca_certs"]) == ("app", "se,c", "ca.pem")
    assert first["connection_class"].__name__ == "SSLConnection"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "db:6379",
        "http://db:6379",
        "http+cluster://db:6379",
        "redis+cluster://",
        "redis+cluster://one:7000,",
        "redis+cluster://one:7000,two:port",
        "redis+cluster://one:7000/1",
    ],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        nodes(url, 1.0)


def test_one_server_or_a_cluster() -> None:
    assert isinstance(nodes("redis://db:6379/3", 1.0), Alone)
    assert isinstance(nodes("redis+cluster://db:6379", 1.0), Cluster)
