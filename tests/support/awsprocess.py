"""The process behind `tests.support.aws`: moto's server, and before it what AWS insists on and moto does not.

Every request is looked at as AWS would look at it: its signature is computed anew from what has arrived (SigV4,
written here from the documentation and not with botocore, which made it), 20 secrets a batch, names, 64 KiB, 400 for
all that is wrong. POST /strict tells it whom to refuse what; GET /strict says what was asked.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import re
import ssl
import sys
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs
from xml.etree import ElementTree as ET

from moto.server import DomainDispatcherApplication, create_backend_app  # type: ignore[attr-defined]  # re-exported
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from tests.support.aws import NAME

if TYPE_CHECKING:
    from collections.abc import Callable

_LARGEST = 65536
_AUTHORIZATION = re.compile(
    "AWS4-HMAC-SHA256 Credential=([^/]+)/([0-9]{8})/([^/]+)/([^/]+)/aws4_request, SignedHeaders=([^,]+), Signature=(.+)"
)


class Refused(Exception):
    """An error of AWS. `status` is 400 but for those of its own side."""

    def __init__(self, code: str, text: str = "no", status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.text = text
        self.status = status


class Strict:
    """AWS's manners. `keys` are the access keys that it knows, `admins` those that may do anything."""

    def __init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()
        self.keys: dict[str, str] = {}
        self.admin = ""
        self.told: dict[str, Any] = {}
        self.asked: list[dict[str, Any]] = []

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        request = Request(environ)
        if request.path == "/strict":
            return self._control(request)(environ, start)
        if request.path.startswith("/moto-api"):
            return self._moto(environ, start)
        try:
            response = self._answered(request, environ)
        except Refused as refused:
            response = self._refusal(request, refused)
        return response(environ, start)

    def _control(self, request: Request) -> Response:
        if request.method == "POST":
            told = json.loads(request.get_data())
            self.keys |= told.pop("keys", {})
            for key in told.pop("forget", []):
                self.keys.pop(key, None)
            self.admin = told.pop("admin", self.admin)
            if told.pop("reset", False):
                self.told, self.asked = {}, []
                self.keys = {key: secret for key, secret in self.keys.items() if not key.startswith("ASIA")}
            self.told |= told
        return Response(json.dumps({"asked": self.asked, "keys": list(self.keys)}), content_type="application/json")

    def _answered(self, request: Request, environ: dict[str, Any]) -> Response:
        body = request.get_data()
        target = request.headers.get("X-Amz-Target", "")
        if target:
            operation, asked = target.partition(".")[2], json.loads(body)
        else:
            asked = {name: values[0] for name, values in parse_qs(body.decode(), keep_blank_values=True).items()}
            operation = asked.get("Action", "")
        who = self._who(request, body, operation)
        # What stands in a record is no value and no token: a test may print it.
        record = {name: asked.get(name) for name in ("SecretId", "SecretIdList", "RoleArn", "ExternalId")}
        if who != self.admin:
            with self._lock:
                self.asked.append({"operation": operation, "who": who, **record})
            self._check(operation, asked)
        denied = set() if who == self.admin else set(self.told.get("denied", []))
        batch = operation == "BatchGetSecretValue"
        if batch:
            time.sleep(self.told.get("batch_takes", 0))
        if batch:
            ids = asked["SecretIdList"]
            if not 1 <= len(ids) <= 20:
                raise Refused("ValidationException", "Member must have length less than or equal to 20")
            asked["SecretIdList"] = [one for one in ids if one not in denied]
            if not asked["SecretIdList"]:
                return _json(200, {"SecretValues": [], "Errors": _denials(ids)})
            body = json.dumps(asked).encode()
        elif asked.get("SecretId") in denied:
            raise Refused("AccessDeniedException", "User: x is not authorized")
        _check_form(operation, asked)
        if operation == "ListSecrets" and (names := self.told.get("listing")) and "Filters" not in asked:
            return _json(200, _listing(names, asked, self.told.get("listing_token")))
        answered = self._by_moto(environ, body)
        if batch and denied:
            found = json.loads(answered.get_data())
            found["Errors"] = found.get("Errors", []) + _denials([one for one in ids if one in denied])
            return _json(200, found)
        return answered

    def _by_moto(self, environ: dict[str, Any], body: bytes) -> Response:
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
        environ.pop("werkzeug.request", None)
        answered = Response.from_app(self._moto, environ, buffered=True)
        if 400 < answered.status_code < 500:
            answered.status_code = 400  # as AWS has it, for what is missing too
        if b"<SessionToken>" in answered.get_data():
            texts = {one.tag.rpartition("}")[2]: one.text or "" for one in ET.fromstring(answered.get_data()).iter()}
            self.keys[texts["AccessKeyId"]] = texts["SecretAccessKey"]
        return answered

    def _who(self, request: Request, body: bytes, operation: str) -> str:
        """Return whose access key has signed the request; AssumeRoleWithWebIdentity is not signed."""
        text = request.headers.get("Authorization", "")
        if operation == "AssumeRoleWithWebIdentity":
            if text:
                raise Refused("InvalidRequest", "signed")
            return "web identity"
        found = _AUTHORIZATION.fullmatch(text)
        if found is None:
            raise Refused("MissingAuthenticationTokenException")
        key, date, region, service, names, signature = found.groups()
        if key not in self.keys:
            raise Refused(self.told.get("unknown_key", "UnrecognizedClientException"))
        if region not in self.told.get("regions", [region]):
            raise Refused("InvalidSignatureException", "Credential should be scoped to a valid region.")
        headers = "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in names.split(";"))
        canonical = "\n".join(("POST", request.path, "", headers, names, hashlib.sha256(body).hexdigest()))
        scope = f"{date}/{region}/{service}/aws4_request"
        hashed = hashlib.sha256(canonical.encode()).hexdigest()
        signed = f"AWS4-HMAC-SHA256\n{request.headers['X-Amz-Date']}\n{scope}\n{hashed}"
        derived = f"AWS4{self.keys[key]}".encode()
        for part in (date, region, service, "aws4_request", signed):
            derived = hmac.new(derived, part.encode(), hashlib.sha256).digest()
        must = {"host", "x-amz-date"} | (
            {"x-amz-security-token"} if "X-Amz-Security-Token" in request.headers else set()
        )
        if derived.hex() != signature or not must <= set(names.split(";")):
            raise Refused("InvalidSignatureException", "The request signature we calculated does not match")
        return key

    def _check(self, operation: str, asked: dict[str, Any]) -> None:
        """Refuse what the test has said."""
        for code, operations in self.told.get("refuse", {}).items():
            if operation in operations:
                raise Refused(code, "told so", 500 if code == "InternalServiceError" else 400)
        if (left := self.told.get("throttle", 0)) > 0:
            self.told["throttle"] = left - 1
            raise Refused("ThrottlingException", "Rate exceeded")
        if operation == "AssumeRole" and asked.get("ExternalId") != self.told.get("external_id"):
            raise Refused("AccessDenied", "not authorized to perform: sts:AssumeRole")
        if operation == "AssumeRoleWithWebIdentity":
            claims = asked["WebIdentityToken"].split(".")[1]
            audience = json.loads(base64.urlsafe_b64decode(claims + "=="))["aud"]
            if self.told.get("audience", "sts.amazonaws.com") not in audience:
                raise Refused("InvalidIdentityToken", "Incorrect token audience")

    def _refusal(self, request: Request, refused: Refused) -> Response:
        if "X-Amz-Target" in request.headers:
            headers = {"Retry-After": str(self.told["retry_after"])} if "retry_after" in self.told else {}
            return _json(refused.status, {"__type": refused.code, "message": refused.text}, headers)
        text = (
            '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
            f"<Code>{refused.code}</Code><Message>{refused.text}</Message></Error></ErrorResponse>"
        )
        return Response(text, refused.status, content_type="text/xml")


def _check_form(operation: str, asked: dict[str, Any]) -> None:
    """Refuse what AWS would never take."""
    name = asked.get("Name") if operation == "CreateSecret" else None
    ids = [asked["SecretId"]] if "SecretId" in asked else asked.get("SecretIdList", [])
    for one in [*ids, *([] if name is None else [name])]:
        if not NAME.fullmatch(one) and not one.startswith("arn:"):
            raise Refused(
                "ValidationException", "Invalid name. Must be a valid name containing alphanumeric characters"
            )
    text, binary = asked.get("SecretString", ""), asked.get("SecretBinary", "")
    if asked.get("SecretString") == "" or len(text.encode()) > _LARGEST or len(base64.b64decode(binary)) > _LARGEST:
        raise Refused("ValidationException", "Member must have length between 1 and 65536")


def _listing(names: int, asked: dict[str, Any], token: str | None) -> dict[str, Any]:
    """Return a page of a listing of so many names; moto takes seconds to hold them."""
    begin, size = int(asked.get("NextToken", "0").removeprefix("again") or 0), asked["MaxResults"]
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:"
    listed = [
        {
            "ARN": f"{arn}name-{names - number:05}-AbCdEf",
            "Name": f"name-{names - number:05}",
            "Tags": [{"Key": "team", "Value": "a"}, {"Key": "cost-center", "Value": "1234"}],
            "SecretVersionsToStages": {"5ec9519b-2a2d-4e73-97ae-28d48e64e3de": ["AWSCURRENT"]},
            "CreatedDate": 1.7e9,
        }
        for number in range(begin, min(begin + size, names))
    ]
    more = begin + size < names
    return {"SecretList": listed} | ({"NextToken": token or str(begin + size)} if more else {})


def _denials(ids: list[str]) -> list[dict[str, str]]:
    return [
        {"SecretId": one, "ErrorCode": "AccessDeniedException", "Message": "User: x is not authorized"} for one in ids
    ]


def _json(status: int, body: object, headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps(body), status, headers, content_type="application/x-amz-json-1.1")


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_: object) -> None:
        """Say nothing."""


def _end(shutdown: Callable[[], None]) -> None:
    sys.stdin.read()
    shutdown()


def main(port: str, certificate: str = "", key: str = "") -> None:
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
    server = make_server("127.0.0.1", int(port), Strict(), threaded=True, request_handler=_Quiet, ssl_context=context)
    # Its own end comes with that of whoever started it.
    threading.Thread(target=_end, args=(server.shutdown,), daemon=True).start()
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
