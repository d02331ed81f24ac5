"""An AWS Lambda function behind a webhook of GitHub's: it lets pass what is signed with the secret that both know."""

from __future__ import annotations

import hmac
from contextlib import ExitStack
from typing import Any

from beemflow_secrets import SecretsError, open_secrets_sync

# Opened when Lambda imports this file, and kept for all calls: that asks nothing of AWS yet. Lambda says no farewell,
# so nothing closes it; the stack is kept because what it holds open would be closed with it.
STACK = ExitStack()
SECRETS = STACK.enter_context(open_secrets_sync("flow.config.json"))


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer a call of the webhook."""
    try:
        key = SECRETS.get_secret("github/webhook#secret")
    except SecretsError as error:
        return {"statusCode": 503, "body": str(error)}  # it names the key, and never holds a value
    expected = hmac.new(key.encode(), event["body"].encode(), "sha256").hexdigest()
    signed = hmac.compare_digest(f"sha256={expected}", event["headers"].get("x-hub-signature-256", ""))
    return {"statusCode": 204 if signed else 401}
