"""The reasons that the condition Ready carries. Users filter and alert on them: a name never changes its meaning."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a BeemFlowSecret is ready, or is not."""

    SYNCED = "Synced"
    SECRET_DELETED = "SecretDeleted"  # noqa: S105 - a reason, as users see it
    SUSPENDED = "Suspended"
    STORE_NOT_FOUND = "StoreNotFound"
    STORE_NOT_READY = "StoreNotReady"
    KEY_NOT_FOUND = "KeyNotFound"
    PROPERTY_NOT_FOUND = "PropertyNotFound"
    ACCESS_DENIED = "AccessDenied"
    AUTHENTICATION_FAILED = "AuthenticationFailed"
    THROTTLED = "Throttled"
    BACKEND_UNAVAILABLE = "BackendUnavailable"
    INVALID_TEMPLATE = "InvalidTemplate"
    INVALID_SPEC = "InvalidSpec"
    TARGET_CONFLICT = "TargetConflict"
    WRITE_REFUSED = "WriteRefused"
    STALE_BEYOND_LIMIT = "StaleBeyondLimit"


class StoreReason(StrEnum):
    """Why a store is ready, or is not."""

    VALID = "Valid"
    INVALID_SPEC = "InvalidSpec"
    AUTHENTICATION_FAILED = "AuthenticationFailed"
    BACKEND_UNAVAILABLE = "BackendUnavailable"
    CREDENTIAL_NOT_FOUND = "CredentialNotFound"
    CRITICAL_KEY_MISSING = "CriticalKeyMissing"
    ENDPOINT_NOT_ALLOWED = "EndpointNotAllowed"
