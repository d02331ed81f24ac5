"""docs/moving-from-eso.md, walked: a Secret moves to us and back, keeps its uid, and is never empty."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from beemflow_secrets.model import names
from e2e.clusters.build import binaries
from tests.support.api import condition, decoded
from tests.unit.migrate.esofields import KINDS, full, manifest
from tests.unit.migrate.turning import EXAMPLES, stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace, Object
    from tests.support.faultproxy import FaultProxy
    from tests.support.openbao import OpenBao

ROOT = Path(__file__).parents[2]
GROUP = "external-secrets.io"
MANAGED = "reconcile.external-secrets.io/managed"
PLURALS = {"SecretStore": "secretstores", "ExternalSecret": "externalsecrets"}


def blocks(heading: str) -> list[str]:
    """Return the shell blocks of the page below a heading."""
    page = (ROOT / "docs" / "moving-from-eso.md").read_text()
    section = page.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, flags=re.DOTALL)


@pytest.fixture(scope="module")
def eso(control_plane: ControlPlane) -> Iterator[None]:
    """The kinds of External Secrets Operator, which hold anything; nobody acts on them but the test."""
    definitions = [_definition(kind, plural) for kind, plural in PLURALS.items()]
    control_plane.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": definitions}))
    plurals = [f"crd/{plural}.{GROUP}" for plural in PLURALS.values()]
    control_plane.kubectl("wait", "--for=condition=Established", "--timeout=30s", *plurals)
    yield
    control_plane.kubectl("delete", *plurals)


def _definition(kind: str, plural: str) -> Object:
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": anything, "status": anything}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {"kind": kind, "plural": plural},
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


class Walk:
    """The page's commands, typed in a folder."""

    def __init__(self, plane: ControlPlane, ns: Namespace, folder: Path) -> None:
        self._plane = plane
        self._ns = ns
        self._folder = folder

    def step(self, script: str) -> str:
        ran = subprocess.run(
            ["bash", "-c", f"set -eu -o pipefail\n{script}"],
            cwd=self._folder,
            env={
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{binaries()}{os.pathsep}{os.environ['PATH']}",
                "KUBECONFIG": str(self._plane.kubeconfig),
                "KUBECACHEDIR": f"{self._plane.state}/kubectl",
                "NS": self._ns.name,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout


@pytest.fixture
def walk(control_plane: ControlPlane, ns: Namespace, tmp_path: Path) -> Walk:
    return Walk(control_plane, ns, tmp_path)


class Owner:
    """External Secrets Operator's part, as its controller plays it: an ExternalSecret that owns a Secret."""

    def __init__(self, ns: Namespace) -> None:
        self._ns = ns
        self.path = f"/apis/{GROUP}/v1/namespaces/{ns.name}/externalsecrets/slack"

    def reference(self) -> Object:
        found = self._ns.api.get(self.path) or {}
        return {
            "apiVersion": f"{GROUP}/v1",
            "kind": "ExternalSecret",
            "name": "slack",
            "uid": found["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }

    def sync(self) -> bool:
        """Become the Secret's controller, unless another one is: it gives up then, as controller-runtime does."""
        held = (self._ns.api.get(self._ns.secret_path("slack")) or {})["metadata"].get("ownerReferences", [])
        if any(one.get("controller") for one in held):
            return False
        metadata = {
            "ownerReferences": [*held, self.reference()],
            "labels": {MANAGED: "true"},
        }
        self._ns.api.patch(self._ns.secret_path("slack"), {"metadata": metadata})
        return True


@pytest.fixture
def owner(
    ns: Namespace, eso: None, bao: OpenBao, proxy: FaultProxy, folder: str, put: Callable[..., int], canary: str
) -> Owner:
    """A store, an ExternalSecret and the Secret that it has made, as they stand in a cluster."""
    del eso
    put("slack", token=canary)
    bao.policy(folder, {f"secret/data/{folder}/*": ["read"], f"secret/metadata/{folder}/*": ["list", "read"]})
    role_id, secret_id = bao.approle(folder, [folder])
    ns.add_secret("login", {"secretId": secret_id})
    approle = {"path": "approle", "roleId": role_id, "secretRef": {"name": "login", "key": "secretId"}}
    vault = {"server": proxy.address, "path": "secret", "version": "v2", "auth": {"appRole": approle}}
    remote = {"key": f"secret/data/{folder}/slack", "property": "token", "conversionStrategy": "Default"}
    _create(ns, "SecretStore", "prod", {"provider": {"vault": vault}})
    _create(
        ns,
        "ExternalSecret",
        "slack",
        {
            "secretStoreRef": {"name": "prod", "kind": "SecretStore"},
            "refreshInterval": "1s",
            "target": {
                "creationPolicy": "Owner",
                "deletionPolicy": "Delete",
                "template": {"engineVersion": "v2", "data": {"token": "{{ .token }}"}},
            },
            "data": [{"secretKey": "token", "remoteRef": remote}],
        },
    )
    made = Owner(ns)
    marks = {
        "labels": {MANAGED: "true", "reconcile.external-secrets.io/created-by": "0f"},
        "annotations": {"reconcile.external-secrets.io/data-hash": "0f"},
    }
    ns.add_secret("slack", {"token": canary}, metadata={**marks, "ownerReferences": [made.reference()]})
    return made


def _create(ns: Namespace, kind: str, name: str, spec: Object) -> None:
    content = manifest(kind, spec)
    content["metadata"] = {"name": name, "namespace": ns.name}
    ns.api.create(f"/apis/{GROUP}/v1/namespaces/{ns.name}/{PLURALS[kind]}", content)


def history(ns: Namespace, since: Object) -> list[Object]:
    """Return every state that the Secret `slack` has had since one of its states."""
    path = f"/api/v1/namespaces/{ns.name}/secrets?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Dslack"
    answer = ns.api.ask(f"{path}&resourceVersion={since['metadata']['resourceVersion']}", {})
    events = [json.loads(line) for line in answer.text.splitlines()]
    assert {event["type"] for event in events} <= {"MODIFIED"}
    return [event["object"] for event in events]


def controllers(secret: Object) -> list[str]:
    return [one["kind"] for one in secret["metadata"].get("ownerReferences", []) if one.get("controller")]


def secret(ns: Namespace) -> Object:
    return ns.api.get(ns.secret_path("slack")) or {}


@pytest.mark.usefixtures("operator")
def test_a_secret_moves_over_and_is_never_empty(
    ns: Namespace, owner: Owner, walk: Walk, put: Callable[..., int], canary: str
) -> None:
    first = secret(ns)
    export, turn, apply, compare, retain, adopt, leave = blocks("The way over")
    assert export == "NS=flows\n"
    walk.step(turn)
    walk.step(apply)
    assert condition(ns.ready("slack", "False", reason="TargetConflict"))
    assert secret(ns) == first
    walk.step(compare)
    assert secret(ns) == first
    walk.step(retain)
    walk.step(adopt)
    assert controllers(secret(ns)) == ["BeemFlowSecret"]
    assert owner.sync() is False
    put("slack", token=f"{canary}-2")
    ns.api.patch(ns.path("slack"), {"metadata": {"annotations": {names.REFRESH_REQUESTED_ANNOTATION: "now"}}})
    ns.wait_data("slack", {"token": f"{canary}-2"})
    # The garbage collector takes what the ExternalSecret owns, and so has seen the Secret too.
    ns.add_secret("bystander", {"a": "b"}, metadata={"ownerReferences": [owner.reference()]})
    walk.step(leave)
    # It learns of new kinds every 30 s.
    ns.api.wait(ns.secret_path("bystander"), lambda found: found is None, patience=90)
    states = history(ns, first)
    assert {state["metadata"]["uid"] for state in states} == {first["metadata"]["uid"]}
    assert [decoded(state) for state in states][-1] == {"token": f"{canary}-2"}
    assert all(decoded(state) in ({"token": canary}, {"token": f"{canary}-2"}) for state in states)
    last = secret(ns)
    assert controllers(last) == ["BeemFlowSecret"]
    assert not [mark for part in ("labels", "annotations") for mark in last["metadata"][part] if GROUP in mark]


@pytest.mark.usefixtures("operator")
def test_the_way_back_leaves_the_secret_as_it_is(ns: Namespace, owner: Owner, walk: Walk, canary: str) -> None:
    first = secret(ns)
    _, turn, apply, _, _, adopt, _ = blocks("The way over")
    for step in (turn, apply, adopt):
        walk.step(step)
    let_go, delete = blocks("The way back")
    walk.step(let_go)
    assert controllers(secret(ns)) == []
    assert owner.sync() is True
    walk.step(delete)
    ns.api.wait(ns.path("slack"), lambda found: found is None)
    states = history(ns, first)
    assert {state["metadata"]["uid"] for state in states} == {first["metadata"]["uid"]}
    assert all(decoded(state) == {"token": canary} for state in states)
    assert controllers(secret(ns)) == ["ExternalSecret"]


def test_what_is_made_is_taken_by_the_api_server(control_plane: ControlPlane, ns: Namespace) -> None:
    """Every field that there is, and what the documentation of the kinds shows."""
    written: list[Object] = [manifest(kind, spec) for kind in KINDS for spec in full(kind)]
    written += [_right(kind, spec, number) for kind, specs in RIGHT.items() for number, spec in enumerate(specs)]
    for number, one in enumerate(written):
        one["metadata"] = {**one["metadata"], "name": f"one-{number}"}
        if "namespace" in one["metadata"]:
            one["metadata"]["namespace"] = ns.name
    ran = subprocess.run(
        [sys.executable, "-m", "beemflow_secrets", "migrate", "-"],
        input=yaml.safe_dump_all(written),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    made = [one for one in yaml.safe_load_all(ran.stdout) if one is not None]
    assert {one["kind"] for one in made} == {kind.name for kind in names.KINDS}
    strictly = ("--dry-run=server", "--validate=strict", "-o", "name")
    stores = [stored(file, ns.name) for file in EXAMPLES]
    objects = ran.stdout + "---\n" + yaml.safe_dump_all(stores)
    answer = control_plane.kubectl("create", *strictly, "-f", "-", stdin=objects)
    assert len(answer.splitlines()) == len(made) + len(stores)


def _right(kind: str, spec: Object, number: int) -> Object:
    made = manifest(kind, spec)
    made["metadata"] = {**made["metadata"], "name": f"right-{number}"}
    return made


KEY: dict[str, Any] = {"name": "login", "key": "token", "namespace": "flows"}
DATA: list[Any] = [{"secretKey": "token", "remoteRef": {"key": "slack/bot", "property": "token"}}]
SPEC: Object = {"secretStoreRef": {"name": "prod"}, "refreshInterval": "1h0m0s", "data": DATA}
STORES: list[Object] = [
    {"provider": {"vault": {"server": "https://vault", "path": "secret", "auth": {"tokenSecretRef": KEY}}}},
    {"provider": {"gcpsm": {"projectID": "p", "auth": {"secretRef": {"secretAccessKeySecretRef": KEY}}}}},
    {"provider": {"aws": {"service": "SecretsManager", "region": "eu-west-1"}}},
]
RIGHT: dict[str, list[Object]] = {
    "SecretStore": STORES,
    "ClusterSecretStore": [{**store, "conditions": [{"namespaceRegexes": ["^a"]}]} for store in STORES],
    "ExternalSecret": [
        SPEC,
        {**SPEC, "target": {"template": {"type": "Opaque", "data": {"a": "{{ .token | b64enc }}"}}}},
        {**SPEC, "dataFrom": [{"extract": {"key": "a"}}], "refreshPolicy": "OnChange"},
        {
            **SPEC,
            "dataFrom": [
                {"find": {"name": {"regexp": "^a"}}, "rewrite": [{"regexp": {"source": "a", "target": "b"}}]},
                {"find": {"path": "a", "tags": {"b": "c"}}, "rewrite": [{"transform": {"template": "{{ .value }}"}}]},
            ],
        },
    ],
    "ClusterExternalSecret": [{"externalSecretSpec": SPEC, "namespaceSelectors": [{"matchLabels": {"a": "b"}}]}],
    "PushSecret": [
        {
            "secretStoreRefs": [{"name": "prod"}],
            "selector": {"secret": {"name": "slack"}},
            "data": [{"match": {"secretKey": "a", "remoteRef": {"remoteKey": "b"}}}],
        }
    ],
}
