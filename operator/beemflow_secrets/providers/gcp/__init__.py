"""Google Cloud Secret Manager.

    driver    the operations
    reading   values, one by one
    writing   what a write or a deletion takes
    client    what is asked with the login, and what follows when it is refused
    methods   the ways to log in
    ambient   the login of this process, as google-auth finds it
    tokens    access tokens, and the endpoints that lend them
    lines     the connections to those
    keyfile   the key of a service account, and what is signed with it
    answers   reading what the service answers (pure)
    failures  what an error means (pure)
    names     keys, and ids of secrets (pure)
    crc32c    the checksum of values (pure)

Each knows only those below it. The API is REST over our own wire: of Google's client the gRPC transport has no TLS
version to choose and no key to pin, its REST transport waits in threads, and both try again for a minute whatever
they are told. google-auth signs assertions and finds the process's own login.
"""

from beemflow_secrets.providers.gcp.driver import GcpDriver

__all__ = ["GcpDriver"]
