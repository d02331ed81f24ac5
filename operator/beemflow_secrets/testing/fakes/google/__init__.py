"""Google Cloud on loopback: Secret Manager, the endpoints that lend access tokens, and a machine's metadata server.

with GoogleCloud() as cloud:
key = cloud.logins.key_file("reader@my-project-123.iam.gserviceaccount.com")
cloud.allow("reader@my-project-123.iam.gserviceaccount.com", "versions.access")
cloud.put("slack--bot", b"xoxb")

server    what is asked, and whether who asks may
metadata  the metadata server of a machine
project   secrets and their versions
logins    accounts, keys, pools, tokens
filters   filters of listings
errors    errors as Google writes them
"""

from beemflow_secrets.testing.fakes.google.metadata import GoogleMetadata
from beemflow_secrets.testing.fakes.google.server import NUMBER, PROJECT, GoogleCloud

__all__ = ["NUMBER", "PROJECT", "GoogleCloud", "GoogleMetadata"]
