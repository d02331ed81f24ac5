"""Stores of Google Cloud Secret Manager: with a key, as a ServiceAccount, and as the operator itself."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets.kube import paths
from beemflow_secrets.model import names
from beemflow_secrets.testing.fakes.google import PROJECT, GoogleCloud, GoogleMetadata
from beemflow_secrets.testing.fakes.tokens import public_key
from tests.controlplane.conftest import entry, spec
from tests.support.api import condition
from tests.support.connectproxy import ConnectProxy
from tests.support.faultproxy import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace, Object
    from tests.support.operator import Operator

EXAMPLES = Path(__file__).parents[2] / "examples"
READER = f"reader@{PROJECT}.iam.gserviceaccount.com"
NODE = f"node@{PROJECT}.iam.gserviceaccount.com"
GOOGLE = ("oauth2.googleapis.com", "sts.googleapis.com", "secretmanager.googleapis.com")
POOL = "projects/123456789012/locations/global/workloadIdentityPools/pool"
PROVIDER = f"//iam.googleapis.com/{POOL}/providers/cluster"


@pytest.fixture
def cloud() -> Iterator[GoogleCloud]:
    with GoogleCloud(hosts=GOOGLE) as running:
        running.allow(READER, "versions.access", "secrets.list")
        yield running


@pytest.fixture
def through(cloud: GoogleCloud) -> Iterator[ConnectProxy]:
    """A proxy behind which Google's own names lead to the fake."""
    place = cloud.address.removeprefix("https://")
    with ConnectProxy({f"{host}:443": place for host in GOOGLE}) as proxy:
        yield proxy


def store(cloud: GoogleCloud, **block: Any) -> Object:
    given = {"projectId": PROJECT, "endpoint": cloud.address, **block}
    return {"driver": "gcp-sm", "retry": {"attempts": 1}, "tls": {"caBundle": cloud.ca}, "gcp": given}


def key_of(ns: Namespace, cloud: GoogleCloud, text: str | None = None) -> dict[str, Any]:
    """Store a key in a Secret of the namespace; return the field that names it."""
    ns.add_secret("google", {"key": text or cloud.logins.key_file(READER, token_uri=f"{cloud.address}/token")})
    return {"serviceAccountKey": {"secretKeyRef": {"name": "google", "key": "key"}}}


def test_a_namespaced_store_reads_with_its_key(
    operator: Operator, ns: Namespace, cloud: GoogleCloud, canary: str
) -> None:
    at = "2031-02-03T04:05:06Z"
    cloud.put("team--slack", f'{{"bot": {{"token": "{canary}"}}}}'.encode(), annotations={"expires-at": at})
    cloud.put("team--plain", canary.encode())
    cloud.put("team--plain", b"newer")
    ns.add_store("google", {**store(cloud, **key_of(ns, cloud)), "prefix": "team/"})
    assert ns.store_ready("google")["status"]["capabilities"] == ["Read", "List", "Write"]
    old = entry("old", "plain", version="1")
    ns.add("slack", spec(entry("token", "slack#bot.token"), entry("new", "plain"), old, store="google"))
    found = ns.ready("slack")
    assert ns.data("slack") == {"token": canary, "new": "newer", "old": canary}
    assert found["status"]["expiresAt"] == at
    assert [one["version"] for one in found["status"]["entries"]] == ["1", "2", "1"]


def test_what_is_wrong_says_so(operator: Operator, ns: Namespace, cloud: GoogleCloud) -> None:
    for name in ("theirs", "off", "a--b"):
        cloud.put(name, b"x")
    cloud.project().turn("off", "1", "DISABLED")
    cloud.denied.add(("versions.access", "theirs"))
    ns.add_store("google", store(cloud, **key_of(ns, cloud)))
    expected = {
        "theirs": ("AccessDenied", "no role"),
        "missing": ("KeyNotFound", "no such secret"),
        "off": ("KeyNotFound", "the version is disabled"),
        "a b": ("InvalidSpec", "no secret of Google can have this name"),
    }
    for number, key in enumerate(expected):
        ns.add(f"r{number}", spec(entry("a", key), store="google"))
    ns.add("met", spec(entry("a", "a/b"), entry("b", "a--b"), store="google"))
    for number, (reason, says) in enumerate(expected.values()):
        assert says in condition(ns.ready(f"r{number}", "False", reason=reason))["message"]
    assert "is a--b in this backend too" in condition(ns.ready("met", "False", reason="InvalidSpec"))["message"]
    ns.add_store("elsewhere", store(cloud, **{**key_of_again(), "projectId": "another-project"}))
    found = ns.store_ready("elsewhere", "False", reason="InvalidSpec")
    assert condition(found)["message"].startswith("gcp.projectId: there is no such project")
    cloud.logins.accounts[READER].disabled = True
    cloud.logins.revoke(READER)
    ns.add("late", spec(entry("a", "late"), store="google"))
    assert "no such service account" in condition(ns.ready("late", "False", reason="AuthenticationFailed"))["message"]


def key_of_again() -> dict[str, Any]:
    return {"serviceAccountKey": {"secretKeyRef": {"name": "google", "key": "key"}}}


def test_what_syncs_and_refreshes_cost(operator: Operator, ns: Namespace, cloud: GoogleCloud) -> None:
    """One login and one listing for all, an access for each key and refresh; where two resources share one, one."""
    for name in ("shared", "a", "b"):
        cloud.put(name, b"x")
    ns.add_store("google", store(cloud, **key_of(ns, cloud)))
    ns.store_ready("google")
    for name in ("a", "b"):
        ns.add(name, spec(entry("own", name), entry("field", "shared"), entry("again", "shared"), store="google"))
        ns.ready(name)
    first = reads(cloud)
    assert (first["a"], first["b"]) == (1, 1)
    assert first["shared"] <= 2
    for name in ("a", "b"):
        ns.api.patch(ns.path(name), {"metadata": {"annotations": {names.REFRESH_REQUESTED_ANNOTATION: "now"}}})
        ns.api.wait(ns.path(name), lambda found: (found or {})["status"].get("lastHandledRefresh") == "now")
    more = reads(cloud) - first
    assert (more["a"], more["b"]) == (1, 1)
    assert more["shared"] <= 2
    assert cloud.count("POST", "/token") == 1
    assert sum(one.path.endswith("/secrets") for one in cloud.asked) == 1


def reads(cloud: GoogleCloud) -> Counter[str]:
    """Count the accesses by secret."""
    return Counter(one.path.split("/")[5] for one in cloud.asked if one.path.endswith(":access"))


# --- whose identity


@pytest.fixture
def planted(cloud: GoogleCloud, tmp_path: Path) -> Iterator[dict[str, str]]:
    """All by which google-auth finds a login, really there and good: a file, gcloud's, a machine."""
    cloud.allow(NODE, "versions.access")
    key = cloud.logins.key_file(NODE, token_uri=f"{cloud.address}/token", project=PROJECT)
    gcloud = tmp_path / "home" / ".config" / "gcloud" / "application_default_credentials.json"
    gcloud.parent.mkdir(parents=True)
    for file in (gcloud, tmp_path / "key.json"):
        file.write_text(key)
    with GoogleMetadata(cloud, NODE) as machine:
        place = machine.address.removeprefix("http://")
        yield {
            "HOME": str(tmp_path / "home"),
            "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "key.json"),
            "GCE_METADATA_HOST": place,
            "GCE_METADATA_IP": place,
        }
        assert all("/token" in one.path or one.path == "/" or "/v1/" in one.path for one in machine.asked)


def test_no_identity_is_lent_to_a_namespaced_store(
    start_operator: Callable[..., Operator],
    ns: Namespace,
    cloud: GoogleCloud,
    planted: dict[str, str],
    tmp_path: Path,
) -> None:
    cloud.put("a", b"lent")
    start_operator(env=planted)
    file = {"serviceAccountKeyFile": planted["GOOGLE_APPLICATION_CREDENTIALS"]}
    for name, block in {"nothing": {}, "file": file}.items():
        ns.add_store(name, store(cloud, **block))
        found = ns.store_ready(name, "False", reason="InvalidSpec")
        assert "no identity is lent" in condition(found)["message"]
        ns.add(name, spec(entry("a", "a"), store=name))
        ns.ready(name, "False", reason="StoreNotReady")
    with FaultProxy("http://127.0.0.1:1") as trap:
        (tmp_path / "token").write_text("the operator's own")
        external = {
            "type": "external_account",
            "audience": PROVIDER,
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": f"{trap.address}/token",
            "credential_source": {"file": str(tmp_path / "token")},
        }
        ns.add_store("trick", store(cloud, **key_of(ns, cloud, json.dumps(external))))
        found = ns.store_ready("trick", "False", reason="InvalidSpec")
        assert (
            "must hold a credential of type service_account, and holds external_account" in condition(found)["message"]
        )
        assert trap.count() == 0
    assert cloud.asked == []


@pytest.mark.parametrize("source", ["environment", "gcloud", "machine", "key file"])
def test_a_cluster_store_reads_as_the_operator(
    start_operator: Callable[..., Operator],
    ns: Namespace,
    cloud: GoogleCloud,
    planted: dict[str, str],
    canary: str,
    source: str,
) -> None:
    cloud.put("a", canary.encode())
    named = planted["GOOGLE_APPLICATION_CREDENTIALS"]
    if source != "environment":
        del planted["GOOGLE_APPLICATION_CREDENTIALS"]
    if source == "machine":
        (Path(planted["HOME"]) / ".config" / "gcloud" / "application_default_credentials.json").unlink()
    start_operator(env=planted)
    block: dict[str, Any] = {"serviceAccountKeyFile": named} if source == "key file" else {}
    with ns.cluster_store(store(cloud, **block)) as name:
        ns.add("a", spec(entry("a", "a"), secretStoreRef={"name": name, "kind": names.CLUSTER_STORE.name}))
        ns.ready("a")
        assert ns.data("a") == {"a": canary}


def test_the_flag_lends_the_machines_login_to_a_namespaced_store(
    start_operator: Callable[..., Operator], ns: Namespace, cloud: GoogleCloud, planted: dict[str, str], canary: str
) -> None:
    cloud.put("a", canary.encode())
    start_operator("--store-ambient-credentials", env=planted)
    ns.add_store("google", store(cloud))
    ns.add("a", spec(entry("a", "a"), store="google"))
    ns.ready("a")
    assert ns.data("a") == {"a": canary}


def test_a_token_for_the_api_server_is_never_shown_to_google(
    operator: Operator, ns: Namespace, cloud: GoogleCloud
) -> None:
    ns.api.create(f"/api/v1/namespaces/{ns.name}/serviceaccounts", {"metadata": {"name": "flows"}})
    own = ns.api.create(paths.service_account_token(ns.name, "flows"), {"spec": {}})["spec"]["audiences"]
    identity = {"audience": PROVIDER, "serviceAccountRef": {"name": "flows", "audiences": own}}
    ns.add_store("google", store(cloud, workloadIdentity=identity))
    ns.store_ready("google", "False")
    ns.add("a", spec(entry("a", "a"), store="google"))
    ns.ready("a", "False", reason="InvalidSpec")
    assert cloud.asked == []


def test_the_example(
    start_operator: Callable[..., Operator],
    control_plane: ControlPlane,
    ns: Namespace,
    cloud: GoogleCloud,
    through: ConnectProxy,
    canary: str,
) -> None:
    """At Google's own names, as a ServiceAccount whose token the fake verifies by the cluster's own keys."""
    issuer = ns.api.get("/.well-known/openid-configuration")
    keys = ns.api.get("/openid/v1/jwks")
    assert issuer is not None
    assert keys is not None
    cloud.logins.provide(PROVIDER, issuer=issuer["issuer"], keys=[public_key(one) for one in keys["keys"]])
    cloud.allow(
        f"principal://iam.googleapis.com/{POOL}/subject/system:serviceaccount:{ns.name}:flows", "versions.access"
    )
    cloud.put("beemflow--prod--slack--bot", f'{{"token": "{canary}"}}'.encode())
    ns.api.create(f"/api/v1/namespaces/{ns.name}/serviceaccounts", {"metadata": {"name": "flows"}})
    start_operator(env={"HTTPS_PROXY": through.address})
    trust = f"  tls:\n    caBundle: {json.dumps(cloud.ca)}\n"
    for name in ("store.yaml", "secret.yaml"):
        manifest = (EXAMPLES / "gcp" / name).read_text()
        local = manifest.replace("  driver: gcp-sm\n", f"  driver: gcp-sm\n{trust}")
        control_plane.kubectl("apply", "-n", ns.name, "-f", "-", stdin=local)
    ns.ready("slack", reason="Synced")
    assert ns.data("slack") == {"token": canary}
    assert set(through.asked) == {f"CONNECT {host}:443" for host in GOOGLE[1:]}
