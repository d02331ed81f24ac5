"""Paths of the API server."""

from __future__ import annotations

from beemflow_secrets.model.names import GROUP, VERSION

GROUP_VERSION = f"/apis/{GROUP}/{VERSION}"


def secrets(namespace: str = "", name: str = "") -> str:
    """Return the path of one Secret, of a namespace's Secrets, or of all."""
    return core("secrets", namespace, name)


def config_maps(namespace: str, name: str) -> str:
    """Return the path of one ConfigMap."""
    return core("configmaps", namespace, name)


def core(plural: str, namespace: str = "", name: str = "") -> str:
    """Return the path of an object of the core group."""
    return _path("/api/v1", plural, namespace, name)


def namespaces() -> str:
    """Return the path of all namespaces."""
    return "/api/v1/namespaces"


def service_account_token(namespace: str, name: str) -> str:
    """Return the path to which a TokenRequest for a ServiceAccount is posted."""
    return core("serviceaccounts", namespace, name) + "/token"


def events(namespace: str) -> str:
    """Return the path of a namespace's Events."""
    return core("events", namespace)


def workloads(plural: str, namespace: str, name: str) -> str:
    """Return the path of a Deployment, a StatefulSet or a DaemonSet."""
    return _path("/apis/apps/v1", plural, namespace, name)


def leases(namespace: str, name: str = "") -> str:
    """Return the path of one Lease, or of a namespace's Leases."""
    return _path("/apis/coordination.k8s.io/v1", "leases", namespace, name)


def resources(plural: str, namespace: str = "", name: str = "", subresource: str = "") -> str:
    """Return the path of our own kinds."""
    path = _path(GROUP_VERSION, plural, namespace, name)
    return f"{path}/{subresource}" if subresource else path


def _path(base: str, plural: str, namespace: str, name: str) -> str:
    inside = f"/namespaces/{namespace}" if namespace else ""
    return f"{base}{inside}/{plural}" + (f"/{name}" if name else "")
