"""`render` and `diff` against what the operator really writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from beemflow_secrets.kube import paths
from beemflow_secrets.model import names
from tests.controlplane.conftest import entry, spec, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace

pytestmark = pytest.mark.usefixtures("operator", "store")

Ran = subprocess.CompletedProcess[str]
Object = dict[str, Any]

TOKEN = entry("token", "slack#token")
URL = entry("url", "slack#url")

# What the backend has changes, and the operator does not look: only who asks for a change sees it.
STILL = {"refreshPolicy": "OnChange"}


@pytest.fixture
def typed(control_plane: ControlPlane, ns: Namespace, canary: str) -> Callable[..., Ran]:
    """Run a verb in the test's namespace, as admin unless `kubeconfig` says who. What it prints holds no value."""

    def run(*arguments: str, kubeconfig: Path | None = None, reveal: bool = False) -> Ran:
        ran = subprocess.run(
            [sys.executable, "-m", "beemflow_secrets", *arguments, "-n", ns.name, *(["--show"] * reveal)],
            env={"PATH": os.environ["PATH"], "KUBECONFIG": str(kubeconfig or control_plane.kubeconfig)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        for form in (canary, b64encode(canary.encode()).decode().rstrip("=")):
            assert form not in ran.stderr
            assert reveal or form not in ran.stdout
        assert "Traceback" not in ran.stderr
        return ran

    return run


@pytest.fixture
def diff(typed: Callable[..., Ran]) -> Callable[..., dict[str, Object]]:
    """Return what a sync would change, by the Secret's name."""

    def run(*files: Path) -> dict[str, Object]:
        ran = typed("diff", *map(str, files), "-o", "json")
        assert (ran.returncode, ran.stderr) == (0, "")
        return {found["secret"]: found for found in json.loads(ran.stdout)}

    return run


def names_of(added: str = "", changed: str = "", removed: str = "") -> dict[str, list[str]]:
    return {"added": added.split(), "changed": changed.split(), "removed": removed.split()}


def resource(name: str, spec: Object) -> Object:
    return {"apiVersion": names.API_VERSION, "kind": names.SECRET.name, "metadata": {"name": name}, "spec": spec}


def write(path: Path, *objects: Object) -> Path:
    path.write_text(yaml.safe_dump_all(objects))
    return path


def test_what_the_backend_has_since_is_told_until_it_is_synced(
    ns: Namespace,
    put: Callable[..., int],
    diff: Callable[..., dict[str, Object]],
    typed: Callable[..., Ran],
    canary: str,
) -> None:
    put("slack", token="old", url="same")
    ns.add("slack", spec(TOKEN, URL, **STILL))
    ns.ready("slack")
    assert diff()["slack"]["change"] == "none"
    put("slack", token=canary, url="same")
    told = diff()["slack"]
    assert (told["namespace"], told["name"], told["change"]) == (ns.name, "slack", "update")
    assert told["keys"] == names_of(changed="token")
    assert told["labels"] == names_of()
    assert told["type"] is None
    table = typed("diff")
    assert table.returncode == 0
    header, row = table.stdout.splitlines()
    assert header.split() == ["NAME", "SECRET", "CHANGE", "KEYS", "ELSE"]
    assert row.split()[:4] == ["slack", "slack", "update", "~token"]
    assert ns.data("slack") == {"token": "old", "url": "same"}  # a diff writes nothing
    assert typed("refresh", "slack", "--wait").returncode == 0
    assert ns.data("slack") == {"token": canary, "url": "same"}
    assert diff()["slack"]["change"] == "none"


def test_files_are_told_of_as_applying_them_would_turn_out(
    ns: Namespace,
    put: Callable[..., int],
    diff: Callable[..., dict[str, Object]],
    control_plane: ControlPlane,
    tmp_path: Path,
    canary: str,
) -> None:
    put("slack", token=canary, url="u")
    metadata = {"labels": {"team": "flows"}, "annotations": {"note": "x"}}
    old = write(
        tmp_path / "old.yaml",
        resource("edited", spec(TOKEN, target={"template": {"metadata": metadata}})),
        resource("typed", spec(TOKEN)),
        resource("moved", spec(TOKEN)),
    )
    control_plane.kubectl("apply", "-n", ns.name, "-f", str(old))
    for name in ("edited", "typed", "moved"):
        ns.ready(name)
    metadata = {"labels": {"team": "other"}}
    files = write(
        tmp_path / "new.yaml",
        resource("edited", spec(URL, target={"template": {"metadata": metadata}})),
        resource("typed", spec(TOKEN, target={"template": {"type": "example.com/slack"}})),
        resource("moved", spec(TOKEN, target={"name": "there"})),
        resource("new", spec(TOKEN, URL)),
    )
    told = diff(files)
    assert {name: found["change"] for name, found in told.items()} == {
        "edited": "update",
        "typed": "recreate",
        "there": "create",
        "moved": "delete",
        "new": "create",
    }
    assert told["edited"]["keys"] == names_of(added="url", removed="token")
    assert told["edited"]["labels"] == names_of(changed="team")
    assert told["edited"]["annotations"]["removed"] == ["note"]
    assert told["typed"]["type"] == {"from": "Opaque", "to": "example.com/slack"}
    assert told["new"]["keys"] == names_of(added="token url")
    assert told["moved"]["name"] == "moved"
    assert ns.data("new") is None
    control_plane.kubectl("apply", "-n", ns.name, "-f", str(files))
    for name in ("edited", "typed", "moved", "new"):
        ns.ready(name)
    assert ns.data("edited") == {"url": "u"}
    ns.api.wait(ns.secret_path("moved"), lambda found: found is None)
    assert {found["change"] for found in diff(files).values()} == {"none"}


def test_a_secret_of_others_gets_keys_and_keeps_its_own(
    ns: Namespace,
    put: Callable[..., int],
    diff: Callable[..., dict[str, Object]],
    typed: Callable[..., Ran],
    tmp_path: Path,
    canary: str,
) -> None:
    put("slack", token=canary, url="u")
    ns.add_secret("app", {"own": "x"})
    merge = {"name": "app", "creationPolicy": "Merge"}
    own = write(tmp_path / "own.yaml", resource("app", spec(TOKEN)))
    refused = typed("diff", str(own))
    assert refused.returncode == 1
    assert "TargetConflict: Secret app exists and was not made by this resource" in refused.stderr
    new = write(tmp_path / "new.yaml", resource("keys", spec(TOKEN, target=merge)))
    assert diff(new)["app"]["keys"] == names_of(added="token")
    ns.add("keys", spec(TOKEN, target=merge, **STILL))
    ns.ready("keys")
    assert diff()["app"]["change"] == "none"
    edited = write(tmp_path / "edited.yaml", resource("keys", spec(URL, target=merge, **STILL)))
    assert diff(edited)["app"]["keys"] == names_of(added="url", removed="token")
    elsewhere = write(tmp_path / "elsewhere.yaml", resource("keys", spec(TOKEN, **STILL)))
    told = diff(elsewhere)
    assert (told["keys"]["change"], told["app"]["keys"]) == ("create", names_of(removed="token"))


def test_what_is_not_to_be_written_changes_nothing(
    ns: Namespace, put: Callable[..., int], diff: Callable[..., dict[str, Object]], canary: str
) -> None:
    put("slack", token="old")
    put("gone", value="old")
    ns.add("paused", spec(TOKEN, **STILL))
    ns.add("once", spec(TOKEN, refreshPolicy="CreatedOnce"))
    ns.add("sealed", spec(TOKEN, target={"immutable": True}, **STILL))
    ns.add("read", spec(TOKEN, target={"creationPolicy": "None"}))
    ns.add("leaves", spec(entry("v", "gone"), target={"deletionPolicy": "Delete"}, **STILL))
    for name in ("paused", "once", "sealed", "read", "leaves"):
        ns.ready(name)
    put("slack", token=canary)
    ns.api.patch(ns.path("paused"), {"spec": {"suspend": True}})
    told = diff()
    changes = {name: (found["change"], found["notes"]) for name, found in told.items()}
    assert changes == {
        "paused": ("none", ["it is suspended"]),
        "once": ("none", ["it was created once"]),
        "sealed": ("none", ["it is immutable, and keeps what it holds"]),
        "": ("none", ["creationPolicy None: nothing is written"]),
        "leaves": ("none", []),
    }


def test_a_key_that_is_gone_takes_its_secret_where_the_policy_says_so(
    ns: Namespace, put: Callable[..., int], diff: Callable[..., dict[str, Object]], bao: Any, folder: str, canary: str
) -> None:
    put("gone", value=canary)
    ns.add("leaves", spec(entry("v", "gone"), target={"deletionPolicy": "Delete"}, **STILL))
    ns.ready("leaves")
    bao.delete_kv2("secret", f"{folder}/gone")
    told = diff()["leaves"]
    assert (told["change"], told["keys"]) == ("delete", names_of(removed="v"))


def test_what_a_sync_would_fail_with_is_told_and_the_others_are_told_too(
    ns: Namespace, put: Callable[..., int], typed: Callable[..., Ran], canary: str
) -> None:
    put("slack", token=canary)
    ns.add_secret("foreign", {"own": "x"})
    ns.add("good", spec(TOKEN))
    ns.add("foreign", spec(TOKEN))
    ns.add("absent", spec(entry("a", "stripe/key")))
    ns.add("into", spec(TOKEN, target={"name": "nowhere", "creationPolicy": "Merge"}))
    ns.ready("good")
    ran = typed("diff", "-o", "json")
    assert ran.returncode == 3
    told = {found["name"]: found for found in json.loads(ran.stdout)}
    assert told["good"]["change"] == "none"
    reasons = {name: found["reason"] for name, found in told.items() if found["change"] == "unknown"}
    assert reasons == {"foreign": "TargetConflict", "absent": "KeyNotFound", "into": "TargetConflict"}
    lines = ran.stderr.splitlines()
    assert sorted(line.partition(": ")[0] for line in lines) == [f"{ns.name}/{name}" for name in sorted(reasons)]
    # The same words as those of the status.
    said = {name: ns.ready(name, "False")["status"]["conditions"] for name in reasons}
    for name, conditions in said.items():
        (message,) = [one["message"] for one in conditions if one["type"] == "Ready"]
        assert told[name]["message"] == message


def test_it_reads_with_the_callers_rights_and_names_the_one_that_lacks(
    ns: Namespace,
    put: Callable[..., int],
    typed: Callable[..., Ran],
    control_plane: ControlPlane,
    canary: str,
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    control_plane.kubectl("create", "serviceaccount", "dev", "-n", ns.name)
    kubeconfig = control_plane.kubeconfig_for("dev", ns.name)
    user = f"system:serviceaccount:{ns.name}:dev"

    def grant(name: str, resource: str) -> None:
        role = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{ns.name}"
        group, _, plural = resource.rpartition("/")
        rule = {"apiGroups": [group], "resources": [plural], "verbs": ["get", "list"]}
        ns.api.create(f"{role}/roles", {"metadata": {"name": name}, "rules": [rule]})
        subject = {"kind": "ServiceAccount", "name": "dev", "namespace": ns.name}
        ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        ns.api.create(f"{role}/rolebindings", {"metadata": {"name": name}, "subjects": [subject], "roleRef": ref})

    def lacking(code: int, resource: str) -> bool:
        """Whether this right is what lacks. Who was just given one waits until the API server knows."""
        ran = typed("diff", kubeconfig=kubeconfig)
        return ran.returncode == code and f'User "{user}" cannot' in ran.stderr and f'"{resource}"' in ran.stderr

    assert lacking(1, "beemflowsecrets")
    grant("one", f"{names.GROUP}/beemflowsecrets")
    until(lambda: lacking(3, "secrets"))
    grant("two", "/secrets")
    until(lambda: lacking(1, "beemflowsecretstores"))
    grant("three", f"{names.GROUP}/beemflowsecretstores")
    until(lambda: typed("diff", kubeconfig=kubeconfig).returncode == 0)
    ran = typed("diff", kubeconfig=kubeconfig)
    assert (ran.stderr, ran.stdout.splitlines()[1].split()) == ("", ["slack", "slack", "none"])


def test_a_render_of_the_files_is_what_the_operator_writes_of_them(
    ns: Namespace,
    put: Callable[..., int],
    typed: Callable[..., Ran],
    control_plane: ControlPlane,
    tmp_path: Path,
    canary: str,
) -> None:
    put("slack", token=canary, url="u")
    # To kubectl `1e5`, `0o17` and `y` are no text, where they stand without quotes.
    metadata = {"labels": {"team": "1e5"}, "annotations": {"note": "{{ secrets.url }}", "0o17": "y"}}
    data = {"config": "t={{ secrets.token }}\n", "1e5": "x"}
    template = {"metadata": metadata, "mergePolicy": "Merge", "data": data}
    store = ns.api.get(ns.store_path("prod")) or {}
    login = ns.api.get(ns.secret_path("prod-login")) or {}
    for found, kind in ((store, names.STORE.name), (login, "Secret")):
        found["kind"] = kind
        del found["metadata"]["managedFields"]
    login["apiVersion"] = "v1"
    files = write(
        tmp_path / "all.yaml", resource("slack", spec(TOKEN, URL, target={"template": template})), store, login
    )
    ran = typed("render", str(files), reveal=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    (rendered,) = yaml.safe_load_all(ran.stdout)
    applied = json.loads(control_plane.kubectl("apply", "--dry-run=server", "-o", "json", "-f", "-", stdin=ran.stdout))
    assert applied["data"] == rendered["data"]
    ns.add("slack", spec(TOKEN, URL, target={"template": template}))
    ns.ready("slack")
    written = ns.api.get(paths.secrets(ns.name, "slack")) or {}
    # What only the cluster knows: whose it is, and which content this is.
    del written["metadata"]["labels"][names.OWNER_LABEL]
    del written["metadata"]["annotations"][names.CONTENT_VERSION_ANNOTATION]
    for field in ("labels", "annotations"):
        assert rendered["metadata"][field] == written["metadata"][field]
    assert (rendered["type"], rendered["data"]) == (written["type"], written["data"])
