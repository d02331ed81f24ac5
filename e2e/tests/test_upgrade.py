"""From an earlier version to this one, as docs/upgrade.md says, with what that version had written."""

from __future__ import annotations

import gzip
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from e2e.clusters.cluster import CommandFailed
from e2e.tests.words import NAME, PATIENCE, ROOT, Namespace, install, until, with_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.clusters.choose import ClusterWithNode
    from e2e.tests.words import OpenBao

EARLIER = ROOT / "e2e" / "earlier"
KEPT = ("name", "namespace", "labels", "annotations", "ownerReferences", "finalizers")
"""Of the metadata, what whoever makes an object decides."""
SYNCED = ("slack", "dotenv", "shared", "fixed")
POLICY = """
path "secret/data/flows/*" { capabilities = ["create", "read", "update", "delete"] }
path "secret/metadata/flows/*" { capabilities = ["read", "delete"] }
"""


@pytest.fixture
def flows(cluster: ClusterWithNode, system: Namespace, openbao: OpenBao, image: str) -> Iterator[Namespace]:
    """The earlier version installed, with what it had written. Its Deployment has the image of this version."""
    manifests = with_image(gzip.decompress((EARLIER / "install.yaml.gz").read_bytes()).decode(), image)
    deployments = [found for found in manifests if found["kind"] == "Deployment"]
    cluster.apply(yaml.safe_dump_all(found for found in manifests if found not in deployments))
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", f"--timeout={PATIENCE}s")
    cluster.kubectl("create", "namespace", "flows")
    ns = Namespace(cluster, "flows")
    openbao.serve(ns)
    openbao.bao("policy", "write", ns.name, "-", stdin=POLICY)
    openbao.put("flows/slack", token="earlier-token", user="earlier-user")
    openbao.put("flows/pushed", theirs="kept")
    restore(ns, list(yaml.safe_load_all((EARLIER / "objects.yaml").read_text())))
    cluster.apply(yaml.safe_dump_all(deployments))
    yield ns
    with suppress(CommandFailed):  # it is gone, but where the test has failed, and perhaps no operator runs
        ns.kubectl("patch", "beemflowpushsecret", "generated", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    cluster.kubectl("delete", "namespace", ns.name)
    cluster.kubectl("delete", "--ignore-not-found", "-f", str(ROOT / "manifests" / "install.yaml"))


def restore(ns: Namespace, objects: list[dict[str, Any]]) -> None:
    """Make objects as they were written, owners first: the uid that a Secret names is the one its owner has now."""
    now: dict[str, str] = {}
    for found in sorted(objects, key=lambda found: bool(found["kind"] == "Secret")):
        text = json.dumps(found)
        for before, after in now.items():
            text = text.replace(before, after)
        now[found["metadata"]["uid"]] = create(ns, json.loads(text))
    for found in objects:
        if status := found.get("status"):
            if ref := status.get("secretRef"):
                secret = ns.get("secret", ref["name"])["metadata"]
                ref |= {name: secret[name] for name in ("uid", "resourceVersion")}
            patch = json.dumps({"status": status})
            name = f"{found['kind']}/{found['metadata']['name']}"
            ns.kubectl("patch", name, "--subresource=status", "--type=merge", "-p", patch)


def create(ns: Namespace, found: dict[str, Any]) -> str:
    """Make an object as who made it, and have those apply their keys in it who did; return its uid."""
    metadata = {name: found["metadata"].get(name) for name in KEPT}
    data = found.get("data", {})
    entries = found["metadata"]["managedFields"]
    applied = [entry for entry in entries if entry["operation"] == "Apply"]
    made_by = (entry["manager"] for entry in entries if entry["operation"] == "Update" and found["kind"] == "Secret")
    maker = next(made_by, "kubectl-create")
    parts = {
        entry["manager"]: {
            key.removeprefix("f:"): data.pop(key.removeprefix("f:")) for key in entry["fieldsV1"]["f:data"]
        }
        for entry in applied
        if "f:data" in entry["fieldsV1"]
    }
    words = ("create", f"--field-manager={maker}", "-o", "json", "-f", "-")
    made = ns.cluster.kubectl(*words, stdin=json.dumps(found | {"metadata": metadata}))
    for manager, part in parts.items():
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": metadata["name"]}, "data": part}
        ns.kubectl("apply", "--server-side", f"--field-manager={manager}", "-f", "-", stdin=json.dumps(body))
    uid: str = json.loads(made)["metadata"]["uid"]
    return uid


def identities(ns: Namespace) -> dict[str, tuple[str, str]]:
    """Return uid and version of each Secret: both stay while nothing is written."""
    metadata = [ns.get("secret", name)["metadata"] for name in SYNCED]
    return {found["name"]: (found["uid"], found["resourceVersion"]) for found in metadata}


def test_an_upgrade_touches_no_secret_whose_content_is_the_same_and_serves_what_the_earlier_version_had_written(
    flows: Namespace, system: Namespace, openbao: OpenBao, image: str, canary: Callable[[], str]
) -> None:
    before = identities(flows)
    # The image alone is newer: it says what lacks, and waits.
    lacks = "the kinds beemflowclustersecrets of secrets.beemflow.io: kubectl apply --server-side -f crds/"
    until("the log says what lacks", lambda: lacks in system.kubectl("logs", f"deployment/{NAME}"))

    with pytest.raises(CommandFailed, match="field is immutable"):
        flows.cluster.apply(install(image))
    system.kubectl("delete", "deployment", NAME)
    flows.cluster.apply(install(image))
    system.kubectl("rollout", "status", f"deployment/{NAME}", f"--timeout={PATIENCE}s")
    asked = "secrets.beemflow.io/refresh-requested-at=upgraded"
    flows.kubectl("annotate", "beemflowsecrets,beemflowpushsecrets", "--all", asked)
    for name in (*(f"beemflowsecret/{name}" for name in SYNCED), "beemflowpushsecret/generated"):
        handled = "--for=jsonpath={.status.lastHandledRefresh}=upgraded"
        flows.kubectl("wait", handled, name, f"--timeout={PATIENCE}s")
        flows.kubectl("wait", "--for=condition=Ready", name, f"--timeout={PATIENCE}s")
    assert identities(flows) == before
    pushed = openbao.get("flows/pushed")
    assert (pushed["metadata"]["version"], pushed["data"]) == (1, {"theirs": "kept"})

    openbao.put("flows/slack", token=canary(), user=canary())
    changes = ("slack", "dotenv", "shared")
    until("what is read anew is written", lambda: all(identities(flows)[name] != before[name] for name in changes))
    assert [uid for uid, _ in identities(flows).values()] == [uid for uid, _ in before.values()]
    flows.kubectl("wait", "--for=condition=Outdated", "beemflowsecret/fixed", f"--timeout={PATIENCE}s")
    assert identities(flows)["fixed"] == before["fixed"]

    flows.kubectl("delete", "beemflowpushsecret", "generated")
    assert openbao.get("flows/pushed")["data"] is None
    assert system.kubectl("get", "pods", "-o", "name", "-l", "!app.kubernetes.io/instance") == ""
