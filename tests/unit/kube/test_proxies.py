"""kube/proxies.py: HTTPS_PROXY and NO_PROXY as Go reads them. Most cases are those of httpproxy's tests."""

from __future__ import annotations

import pytest

from beemflow_secrets.kube.proxies import BadProxy, proxy_for

PROXY = "http://proxy.example:3128"


def through(address: str, no_proxy: str = "") -> bool:
    found = proxy_for(address, {"HTTPS_PROXY": PROXY, "HTTP_PROXY": PROXY, "NO_PROXY": no_proxy})
    assert found is None or str(found) == PROXY
    return found is not None


@pytest.mark.parametrize(
    ("environment", "address", "proxy"),
    [
        ({}, "https://vault", None),
        ({"HTTPS_PROXY": PROXY}, "https://vault", PROXY),
        ({"https_proxy": PROXY}, "https://vault", PROXY),
        ({"HTTPS_PROXY": PROXY, "https_proxy": "http://other:1"}, "https://vault", PROXY),
        ({"HTTPS_PROXY": "", "https_proxy": PROXY}, "https://vault", PROXY),
        ({"HTTPS_PROXY": PROXY}, "http://vault", None),
        ({"HTTP_PROXY": PROXY}, "https://vault", None),
        ({"HTTP_PROXY": PROXY}, "http://vault", PROXY),
        ({"http_proxy": PROXY}, "http://vault", PROXY),
        ({"ALL_PROXY": PROXY}, "https://vault", None),
        ({"HTTPS_PROXY": "proxy.example:3128"}, "https://vault", "http://proxy.example:3128"),
        ({"HTTPS_PROXY": "proxy.example"}, "https://vault", "http://proxy.example"),
        ({"HTTPS_PROXY": "https://u:p@proxy.example"}, "https://vault", "https://u:p@proxy.example"),
        ({"HTTPS_PROXY": PROXY, "no_proxy": "vault"}, "https://vault", None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "other", "no_proxy": "vault"}, "https://vault", PROXY),
    ],
)
def test_which_variable_counts(environment: dict[str, str], address: str, proxy: str | None) -> None:
    found = proxy_for(address, environment)
    assert (found and str(found)) == proxy


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST", "localhost.", "127.0.0.1", "127.0.0.2", "127.1", "[::1]", "[::ffff:127.0.0.1]"],
)
def test_this_machine_is_never_asked_for_through_a_proxy(host: str) -> None:
    assert not through(f"http://{host}:8200")
    assert not through(f"https://{host}")


@pytest.mark.parametrize(
    ("no_proxy", "address"),
    [
        ("*", "https://vault"),
        ("foo.com,*", "https://vault"),
        ("foo.com", "https://foo.com"),
        ("foo.com", "https://bar.foo.com"),
        ("FOO.com", "https://Foo.COM."),
        (".foo.com", "https://bar.foo.com"),
        ("*.foo.com", "https://bar.foo.com"),
        ("foo.com:443", "https://foo.com"),
        ("foo.com:8200", "https://bar.foo.com:8200"),
        ("other, foo.com ,x", "https://foo.com"),
        ("10.0.0.1", "https://10.0.0.1"),
        ("10.0.0.1:443", "https://10.0.0.1"),
        ("10.0.0.0/8", "https://10.1.2.3:8200"),
        ("10.0.0.7/8", "https://10.1.2.3"),
        ("fd00::/8", "https://[fd00::1]"),
        ("fd00::1", "https://[FD00:0::1]"),
        ("[fd00::1]", "https://[fd00::1]"),
        ("[fd00::1]:443", "https://[fd00::1]"),
    ],
)
def test_no_proxy_excepts(no_proxy: str, address: str) -> None:
    assert not through(address, no_proxy)


@pytest.mark.parametrize(
    ("no_proxy", "address"),
    [
        ("", "https://vault"),
        (",", "https://vault"),
        ("foo.com", "https://barfoo.com"),
        ("foo.com", "https://foo.com.evil.example"),
        ("foo.com:80", "https://foo.com"),
        (".foo.com", "https://foo.com"),
        ("*.foo.com", "https://foo.com"),
        ("*.foo.com", "https://barfoo.com"),
        ("10.0.0.1", "https://10.0.0.2"),
        ("10.0.0.1:80", "https://10.0.0.1"),
        ("10.0.0.0/8", "https://11.0.0.1"),
        ("10.0.0.0/8", "https://ten.example"),
        ("10.0.0.0/99", "https://10.0.0.1"),
        ("fd00::/8", "https://10.0.0.1"),
        (":443", "https://vault"),
    ],
)
def test_no_proxy_does_not_except(no_proxy: str, address: str) -> None:
    assert through(address, no_proxy)


@pytest.mark.parametrize("text", ["socks5://u:hunter2@proxy:1", "ftp://proxy", "http://", "://", "http://hunter2:x:y"])
def test_what_is_no_proxy_is_refused_and_not_shown(text: str) -> None:
    """Going around it, silently, would be worse: somebody wants to see this traffic."""
    with pytest.raises(BadProxy, match="https_proxy names no proxy") as caught:
        proxy_for("https://vault", {"https_proxy": text})
    assert "hunter2" not in str(caught.value)
