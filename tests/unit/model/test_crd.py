from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from beemflow_secrets.cli.crds import crd_files, crds_yaml, write
from beemflow_secrets.model import names
from beemflow_secrets.model.crd import definitions

if TYPE_CHECKING:
    from collections.abc import Iterator

Schema = dict[str, Any]

ROOT = Path(__file__).parents[3]
BY_KIND = {crd["spec"]["names"]["kind"]: crd for crd in definitions()}


def version(kind: str) -> Schema:
    found: Schema = BY_KIND[kind]["spec"]["versions"][0]
    return found


def root(kind: str, part: str) -> Schema:
    found: Schema = version(kind)["schema"]["openAPIV3Schema"]["properties"][part]
    return found


def fields(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every field below a schema, lists and maps entered."""
    for name, field in schema.get("properties", {}).items():
        yield f"{path}.{name}", field
        yield from fields(field, f"{path}.{name}")
    for inner in (schema.get("items"), schema.get("additionalProperties")):
        if inner is not None:
            yield f"{path}[]", inner
            yield from fields(inner, f"{path}[]")


def all_fields() -> list[tuple[str, Schema]]:
    return [
        (f"{kind}{path}", field)
        for kind in BY_KIND
        for part in ("spec", "status")
        for path, field in fields(root(kind, part), f".{part}")
    ]


ALL_FIELDS = all_fields()


def test_the_files_in_crds_are_current() -> None:
    # When this fails: `make crds`, and look at what changed.
    assert {path.name: path.read_text() for path in (ROOT / "crds").iterdir()} == crd_files()


def test_the_generator_writes_what_it_shows(tmp_path: Path) -> None:
    write(str(tmp_path))
    written = [yaml.safe_load(path.read_text()) for path in tmp_path.iterdir()]
    assert sorted(written, key=str) == sorted(definitions(), key=str)
    assert list(yaml.safe_load_all(crds_yaml())) == definitions()


def test_kinds_are_named_as_the_contract_has_them() -> None:
    found = {
        kind: (crd["spec"]["names"]["plural"], *crd["spec"]["names"]["shortNames"], crd["spec"]["scope"])
        for kind, crd in BY_KIND.items()
    }
    assert found == {
        "BeemFlowSecretStore": ("beemflowsecretstores", "bfss", "Namespaced"),
        "BeemFlowClusterSecretStore": ("beemflowclustersecretstores", "bfcss", "Cluster"),
        "BeemFlowSecret": ("beemflowsecrets", "bfs", "Namespaced"),
        "BeemFlowClusterSecret": ("beemflowclustersecrets", "bfcs", "Cluster"),
        "BeemFlowPushSecret": ("beemflowpushsecrets", "bfps", "Namespaced"),
    }
    assert all(crd["spec"]["names"]["categories"] == ["beemflow"] for crd in BY_KIND.values())
    assert all(crd["metadata"]["name"].endswith(".secrets.beemflow.io") for crd in BY_KIND.values())


@pytest.mark.parametrize("kind", BY_KIND)
def test_each_kind_has_a_status_of_its_own(kind: str) -> None:
    assert version(kind)["subresources"] == {"status": {}}
    conditions = version(kind)["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]["conditions"]
    assert (conditions["x-kubernetes-list-type"], conditions["x-kubernetes-list-map-keys"]) == ("map", ["type"])


def test_columns() -> None:
    columns = {kind: [column["name"] for column in version(kind)["additionalPrinterColumns"]] for kind in BY_KIND}
    assert columns["BeemFlowSecret"] == ["Store", "Refresh", "Ready", "Reason", "Last Sync", "Expires", "Age"]
    assert columns["BeemFlowClusterSecret"] == ["Store", "Refresh", "Ready", "Reason", "Age"]
    assert columns["BeemFlowPushSecret"] == ["Secret", "Store", "Refresh", "Ready", "Reason", "Last Sync", "Age"]
    assert (
        columns["BeemFlowSecretStore"] == columns["BeemFlowClusterSecretStore"] == ["Driver", "Ready", "Reason", "Age"]
    )


def test_kubectl_explain_has_a_text_for_every_field() -> None:
    silent = [path for path, field in ALL_FIELDS if not field.get("description", "").endswith(".")]
    assert [path for path in silent if not path.endswith("[]")] == []


def test_the_texts_name_every_default() -> None:
    told = [path for path, field in ALL_FIELDS if "Default" in field.get("description", "")]
    objects = {"retry", "tls", "healthCheck", "vault", "target", "template", "metadata", "labels", "annotations"}
    objects |= {"onepassword", "matchLabels", "matchExpressions", "selector", "file", "staleness", "expiry"}
    required = {"secretStoreRef", "name", "key", "address", "path", "secretKey", "remoteRef", "secretKeyRef"}
    required |= {
        "connectHost",
        "connectToken",
        "extract",
        "storeRef",
        "operator",
        "maxAge",
        "perSecond",
        "strategy",
        "providers",
        "certificate",
    }
    required |= {"connectHost", "connectToken"}
    by_choice = {"token", "roleId", "roleIdRef", "secretId", "username", "password", "jwt", "namespace"}
    by_choice |= {"data", "dataFrom", "sourceRef", "names", "regexes", "values"}
    by_choice |= {"azure", "vaultUrl", "clientSecret"}
    required |= {"audience", "configMapRef", "secretStoreRefs", "match", "remoteKey"}
    required |= {"secretSpec", "namespaces"}
    objects |= {"secretMetadata"}
    by_choice |= {"templateFrom", "configMap", "secret", "literal", "items", "flows", "extract", "find"}
    required |= {"source", "target", "template"}
    by_choice |= {"rewrite", "regexp", "transform"}
    by_choice |= {"gcp", "serviceAccountKey", "workloadIdentity"}
    by_choice |= {"aws", "kubernetes", "serviceAccountRef", "multi", "accessKeyId", "secretAccessKey", "sessionToken"}
    chosen = ("[]", "caRef.kind", "rolloutRestart[].kind")
    for path, _ in ALL_FIELDS:
        name = path.rpartition(".")[2]
        if ".spec" in path and name not in objects | required | by_choice and not path.endswith(chosen):
            assert path in told


def test_no_field_has_a_default() -> None:
    # The API server would write it into every object: a difference for ever to manifests that are kept in git.
    assert [path for path, field in ALL_FIELDS if "default" in field] == []
    assert [kind for kind in BY_KIND if "default" in root(kind, "spec")] == []


def test_a_status_is_there_from_the_start_and_says_that_nobody_has_looked() -> None:
    assert [root(kind, "status")["default"] for kind in BY_KIND] == [{"observedGeneration": -1}] * len(BY_KIND)


def test_everything_is_bounded_and_structural() -> None:
    for path, field in ALL_FIELDS:
        check(path, field)


def check(path: str, field: Schema) -> None:
    assert not field.keys() & {"$ref", "allOf", "const", "title", "$defs"}, path
    if field.get("x-kubernetes-int-or-string"):
        assert field["maxLength"]
        return
    assert "anyOf" not in field
    match field["type"]:
        case "string":
            assert "maxLength" in field or "enum" in field or field.get("format") == "date-time", path
        case "array":
            assert "maxItems" in field, path
        case "object":
            assert "properties" in field or "maxProperties" in field, path
            assert field.get("additionalProperties") is not False
        case "number":
            assert "maximum" in field, path
        case other:
            assert other in {"integer", "boolean"}, path


def test_the_two_kinds_of_store_differ_in_credentials_alone() -> None:
    stores = [
        {path.partition(".")[2]: field for path, field in ALL_FIELDS if path.startswith(f"{kind.name}.")}
        for kind in (names.STORE, names.CLUSTER_STORE)
    ]
    differing = {path for path, field in stores[0].items() if stores[1][path] != field}
    assert stores[0].keys() == stores[1].keys()
    references = {path for path in differing if path.endswith(("secretKeyRef", "serviceAccountRef", "caRef"))}
    assert references == {
        f"spec.{link}{reference}"
        for link in ("", "multi.providers[].")
        for reference in (
            *(
                f"{block}.{name}.secretKeyRef"
                for block in ("aws", "vault.awsLogin")
                for name in ("accessKeyId", "secretAccessKey", "sessionToken")
            ),
            *(f"vault.{name}.secretKeyRef" for name in ("token", "roleIdRef", "secretId", "password", "jwt")),
            "onepassword.connectToken.secretKeyRef",
            *(f"tls.clientCertificate.{name}.secretKeyRef" for name in ("certificate", "key")),
            "azure.clientSecret.secretKeyRef",
            "azure.serviceAccountRef",
            "tls.caRef",
            "kubernetes.token.secretKeyRef",
            "gcp.serviceAccountKey.secretKeyRef",
            "gcp.workloadIdentity.serviceAccountRef",
            "aws.serviceAccountRef",
            "vault.serviceAccountRef",
            "vault.awsLogin.serviceAccountRef",
            "vault.azureLogin.clientSecret.secretKeyRef",
            "vault.azureLogin.serviceAccountRef",
            "kubernetes.serviceAccountRef",
        )
    }
    assert all(any(reference.startswith(path) for reference in references) for path in differing)
