"""kube/connection.py: kubeconfigs as kubectl reads them, a pod's mount, tokens that are renewed."""

from __future__ import annotations

import ssl
import time
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from beemflow_secrets.kube.client import KubeClient
from beemflow_secrets.kube.connection import NoCluster, connect, from_kubeconfig, from_pod
from beemflow_secrets.kube.errors import ApiUnavailable
from beemflow_secrets.kube.logins import LoginFailed
from beemflow_secrets.testing.certs import CertificateAuthority

if TYPE_CHECKING:
    from pathlib import Path

AUTHORITY = CertificateAuthority()


def kubeconfig(path: Path, *, cluster: Any = None, user: Any = None, current: str = "c", **context: str) -> Path:
    """Write a kubeconfig with one of each, all called `c`; None leaves an entry out."""
    path.parent.mkdir(exist_ok=True)
    config: dict[str, Any] = {"contexts": [{"name": "c", "context": {"cluster": "c", "user": "c", **context}}]}
    if current:
        config["current-context"] = current
    if cluster is not None:
        config["clusters"] = [{"name": "c", "cluster": cluster}]
    if user is not None:
        config["users"] = [{"name": "c", "user": user}]
    path.write_text(yaml.safe_dump(config))
    return path


HTTP = {"server": "http://127.0.0.1:1"}


async def test_the_current_context_is_taken(tmp_path: Path) -> None:
    found = from_kubeconfig([kubeconfig(tmp_path / "a", cluster={"server": "http://one/"}, user={"token": "t"})])
    assert (found.server, found.namespace, found.tls) == ("http://one", "default", None)
    assert await found.token() == "t"


def test_a_context_names_the_namespace(tmp_path: Path) -> None:
    found = from_kubeconfig([kubeconfig(tmp_path / "a", cluster=HTTP, user={}, namespace="flows")])
    assert found.namespace == "flows"


async def test_several_files_are_one_and_the_first_wins(tmp_path: Path) -> None:
    first = kubeconfig(tmp_path / "a", user={"token": "first"})
    second = kubeconfig(tmp_path / "b", cluster={"server": "http://second"}, user={"token": "second"}, current="other")
    found = from_kubeconfig([tmp_path / "missing", first, second])
    assert (found.server, await found.token()) == ("http://second", "first")


async def test_a_path_begins_at_the_file_that_names_it(tmp_path: Path) -> None:
    first = kubeconfig(tmp_path / "one" / "config", cluster=HTTP)
    second = kubeconfig(tmp_path / "two" / "config", user={"tokenFile": "token"})
    (tmp_path / "two" / "token").write_text("beside the second\n")
    assert await from_kubeconfig([first, second]).token() == "beside the second"


@pytest.mark.parametrize("inline", [True, False])
def test_an_authority_and_a_client_certificate(tmp_path: Path, *, inline: bool) -> None:
    client = AUTHORITY.issue()
    parts = {"certificate-authority": AUTHORITY.pem}
    login = {"client-certificate": client.certificate, "client-key": client.key}
    if inline:
        cluster, user = ({f"{n}-data": b64encode(t.encode()).decode() for n, t in m.items()} for m in (parts, login))
    else:
        for name, text in (parts | login).items():
            (tmp_path / name).write_text(text)
        cluster, user = ({name: name for name in m} for m in (parts, login))
    before = set(tmp_path.iterdir())
    path = kubeconfig(tmp_path / "a", cluster={"server": "https://one", **cluster}, user=user)
    found = from_kubeconfig([path])
    assert found.tls is not None
    assert found.tls.verify_mode == ssl.CERT_REQUIRED
    assert [ca["subject"] for ca in found.tls.get_ca_certs()] == [((("commonName", "test CA"),),)]
    assert set(tmp_path.iterdir()) - before == {path}, "a key was written to a file"


def test_verification_is_left_out_only_where_it_is_said(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "a", cluster={"server": "https://one", "insecure-skip-tls-verify": True}, user={})
    found = from_kubeconfig([path])
    assert found.tls is not None
    assert found.tls.verify_mode == ssl.CERT_NONE


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"cluster": HTTP}, "no user"),
        ({"user": {}}, "no cluster"),
        ({"cluster": HTTP, "user": {}, "current": ""}, "no current-context"),
        ({"cluster": HTTP, "user": {}, "current": "x"}, "no context"),
        ({"cluster": {}, "user": {}}, "no kubeconfig"),
        ({"cluster": {"server": 5}, "user": {}}, "no kubeconfig"),
        ({"cluster": {"server": "https://one", "certificate-authority": "gone"}, "user": {}}, "gone"),
        ({"cluster": {"server": "https://one", "tls-server-name": "two"}, "user": {}}, "tls-server-name"),
        ({"cluster": {"server": "https://one"}, "user": {"client-certificate-data": "bm9uZQ=="}}, "cannot use"),
    ],
)
def test_what_will_not_do_is_said_in_one_line(tmp_path: Path, fields: Any, word: str) -> None:
    with pytest.raises(NoCluster, match=word) as caught:
        from_kubeconfig([kubeconfig(tmp_path / "a", **fields)])
    assert "\n" not in str(caught.value)


def test_the_way_to_the_api_server_is_that_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As client-go has it."""
    path = kubeconfig(tmp_path / "a", cluster={"server": "https://cluster.test"}, user={})
    monkeypatch.setenv("HTTPS_PROXY", "http://user:hunter2@proxy.test:3128")
    found = from_kubeconfig([path])
    assert str(found.proxy) == "http://user:hunter2@proxy.test:3128"
    assert "hunter2" not in repr(found)
    monkeypatch.setenv("NO_PROXY", "cluster.test")
    assert from_kubeconfig([path]).proxy is None
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("HTTPS_PROXY", "socks5://user:hunter2@proxy.test")
    with pytest.raises(NoCluster, match="HTTPS_PROXY names no proxy") as caught:
        from_kubeconfig([path])
    assert "hunter2" not in str(caught.value)


async def test_a_token_file_is_read_anew_each_minute_and_kept_while_it_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    (tmp_path / "token").write_text("first\n")
    token = from_kubeconfig([kubeconfig(tmp_path / "a", cluster=HTTP, user={"tokenFile": "token"})]).token
    assert await token() == "first"
    (tmp_path / "token").write_text("second")
    now += 59
    assert await token() == "first"
    now += 1
    assert await token() == "second"
    (tmp_path / "token").unlink()
    now += 60
    assert await token() == "second"


async def test_a_token_file_that_was_never_there_is_an_error(tmp_path: Path) -> None:
    token = from_kubeconfig([kubeconfig(tmp_path / "a", cluster=HTTP, user={"tokenFile": "token"})]).token
    with pytest.raises(LoginFailed, match="No such file"):
        await token()


def program(script: str) -> dict[str, Any]:
    """Return a user that logs in by a program."""
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "sh",
            "args": ["-c", script],
            "interactiveMode": "Never",
        }
    }


CREDENTIAL = '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s"}}'


async def test_a_program_gives_the_token(tmp_path: Path) -> None:
    user = program(f"echo '{CREDENTIAL % 'by-program'}'")
    assert await from_kubeconfig([kubeconfig(tmp_path / "a", cluster=HTTP, user=user)]).token() == "by-program"


@pytest.mark.parametrize("script", ["exit 1", "echo nonsense", f"echo '{CREDENTIAL % 'canary'}'; exit 1", "exit 0"])
async def test_a_program_that_gives_none_is_a_connection_that_failed(
    tmp_path: Path, script: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    found = from_kubeconfig([kubeconfig(tmp_path / "a", cluster=HTTP, user=program(script))])
    client = KubeClient(found)
    with pytest.raises(ApiUnavailable, match="the program that the kubeconfig logs in by gave no token") as caught:
        await client.get("/version")
    await client.close()
    said = capfd.readouterr()
    assert "canary" not in f"{caught.value!r} {caught.value.__cause__!r} {caplog.text} {said.out} {said.err}"


async def test_a_program_that_fails_once_is_asked_again(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    script = f"test -e {mark} || {{ touch {mark}; exit 1; }}; echo '{CREDENTIAL % 'later'}'"
    token = from_kubeconfig([kubeconfig(tmp_path / "a", cluster=HTTP, user=program(script))]).token
    with pytest.raises(LoginFailed):
        await token()
    assert await token() == "later"


async def test_a_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    for name, text in {"ca.crt": AUTHORITY.pem, "namespace": "flows\n", "token": "t"}.items():
        (tmp_path / name).write_text(text)
    found = from_pod(tmp_path)
    assert (found.server, found.namespace, await found.token()) == ("https://[fd00::1]:6443", "flows", "t")
    (tmp_path / "namespace").unlink()
    with pytest.raises(NoCluster, match="no ServiceAccount token"):
        from_pod(tmp_path)


def test_where_a_cluster_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(NoCluster, match="KUBECONFIG is not set"):
        connect()
    kubeconfig(tmp_path / ".kube" / "config", cluster={"server": "http://home"}, user={})
    assert connect().server == "http://home"
    kubeconfig(tmp_path / "named", cluster={"server": "http://named"}, user={})
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'none'}:{tmp_path / 'named'}")
    assert connect().server == "http://named"
