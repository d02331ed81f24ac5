"""The operator where the way out leads through a proxy: what is told when that one is at fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.conftest import asked_anew, message, secret_as_it_is, vault_store
from tests.support.connectproxy import ConnectProxy
from tests.support.fixtures import entry, spec
from tests.support.openbao import OpenBao

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.api import Namespace
    from tests.support.operator import Operator

PASSWORD = "pr0xy-passw0rd"


@pytest.fixture
def tls_bao() -> Iterator[OpenBao]:
    with OpenBao(tls=True) as server:
        yield server


@pytest.fixture
def way_out(tls_bao: OpenBao) -> Iterator[ConnectProxy]:
    with ConnectProxy({f"vault.test:{tls_bao.port}": f"127.0.0.1:{tls_bao.port}"}) as running:
        yield running


def test_a_proxy_is_used_named_when_it_fails_and_its_password_shown_to_nobody_else(
    start_operator: Callable[..., Operator],
    ns: Namespace,
    tls_bao: OpenBao,
    way_out: ConnectProxy,
    folder: str,
    canary: str,
) -> None:
    assert tls_bao.ca is not None
    login = way_out.address.replace("http://", f"http://user:{PASSWORD}@")
    operator = start_operator(env={"HTTPS_PROXY": login})
    tls_bao.write_kv2("secret", f"{folder}/slack", {"token": canary})
    address = f"https://vault.test:{tls_bao.port}"
    ns.add_store("prod", vault_store(ns, address, folder, token=tls_bao.root_token, tls={"caBundle": tls_bao.ca.pem}))
    ns.add("slack", spec(entry("token", "slack#token")))
    ns.ready("slack")
    assert ns.data("slack") == {"token": canary}
    # The API server, which is on this machine, is spoken to straight.
    assert set(way_out.asked) == {f"CONNECT vault.test:{tls_bao.port}"}
    before = secret_as_it_is(ns, "slack")

    for status, word in ((407, "refuses the connection (407)"), (None, "cannot be reached: connection refused")):
        way_out.down()
        if status is not None:
            way_out.status = status
            way_out.up()
        asked_anew(ns, "slack")
        refused = ns.ready("slack", "False", reason="BackendUnavailable")
        assert f"the proxy that the environment names {word}" in message(refused)
        assert word in message(ns.store_ready("prod", "False", reason="BackendUnavailable"))
        assert secret_as_it_is(ns, "slack") == before
        way_out.status = 200
        way_out.up()
        ns.ready("slack")
        ns.store_ready("prod")

    shown = [operator.log(), *(operator.get(page)[1] for page in ("/health", "/metrics"))]
    shown += [repr(ns.api.get(path)) for path in (ns.path("slack"), ns.store_path("prod"))]
    assert not any(PASSWORD in text for text in shown)
