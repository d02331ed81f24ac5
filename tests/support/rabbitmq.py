"""What OpenBao's engine `rabbitmq` asks of a RabbitMQ server, and no more: it makes users, and deletes them.

It gives tests real leases, with renewals and revocations, without a database.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class RabbitMq:
    """The management API on loopback. `users` are those that are there; `made` counts all that were ever made."""

    def __init__(self) -> None:
        users: set[str] = set()
        made: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path.startswith("/api/users/"):
                    users.add(self.path.rpartition("/")[2])
                    made.append(self.path)
                self._done()

            def do_DELETE(self) -> None:
                with suppress(KeyError):
                    users.remove(self.path.rpartition("/")[2])
                self._done()

            def _done(self) -> None:
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self.users = users
        self.made = made
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
