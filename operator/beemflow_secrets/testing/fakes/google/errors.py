"""Errors as Google's APIs write them: AIP-193 (https://google.aip.dev/193), google/rpc/code.proto."""

from __future__ import annotations

import json

from aiohttp import web

# HTTP status of each canonical code (google/rpc/code.proto).
_HTTP = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}


class GoogleError(Exception):
    """An error of an API. `reason` is that of google.rpc.ErrorInfo, `delay` that of RetryInfo, in seconds."""

    def __init__(self, status: str, message: str, *, reason: str | None = None, delay: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.reason = reason
        self.delay = delay

    def answer(self) -> web.Response:
        """Return it as REST has it."""
        details: list[dict[str, object]] = []
        if self.reason is not None:
            info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": self.reason}
            details.append({**info, "domain": "googleapis.com"})
        if self.delay is not None:
            details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{self.delay:g}s"})
        error = {"code": _HTTP[self.status], "message": self.message, "status": self.status}
        return answer({"error": error | ({"details": details} if details else {})}, _HTTP[self.status])


def of_status(status: int, headers: dict[str, str]) -> web.Response:
    """Return an error of an HTTP status."""
    code = next((code for code, one in _HTTP.items() if one == status), "UNKNOWN")
    body = {"error": {"code": status, "message": "refused by the test", "status": code}}
    return web.json_response(body, status=status, headers=headers)


def answer(document: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Return an answer of JSON, which Google sends with line breaks."""
    text = json.dumps(document, indent=2) + "\n"
    return web.Response(text=text, status=status, content_type="application/json", charset="utf-8", headers=headers)
