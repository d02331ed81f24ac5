"""A fake on its own: `python -m beemflow_secrets.testing.fakes 1password`, to try a backend without an account.

It prints one line of JSON: its address, who signed its certificate (`ca`), the spec of a `store` that reads from it,
and what the Secret `login` holds that the store refers to. It runs until its standard input is closed, or SIGTERM.
Lines there are done, and each answered by a line of JSON:

    put NAME TEXT   writes a secret (1password: the fields of a JSON object, else a password)
    stop            refuses connections, as an outage does
    start           serves again, with all that it held
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from beemflow_secrets.testing.fakes.offers import OFFERS, told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from beemflow_secrets.testing.fakes.offers import Offer


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a fake until it is told to end."""
    parser = argparse.ArgumentParser(
        prog="python -m beemflow_secrets.testing.fakes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("backend", choices=sorted(OFFERS))
    parser.add_argument("--port", type=int, default=0, help="its port on 127.0.0.1; 0, the default, is a free one")
    options = parser.parse_args(arguments)
    offer = OFFERS[options.backend](options.port)
    try:
        with offer.server:
            _say(told(offer))
            for line in sys.stdin:
                _say(_done(offer, line.rstrip("\n")))
    except OSError as error:
        sys.stderr.write(f"{options.backend}: port {options.port}: {error.strerror}\n")
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def _done(offer: Offer, line: str) -> dict[str, object]:
    match line.split(" ", 2):
        case ["put", name, text]:
            offer.put(name, text)
        case ["stop"]:
            offer.server.stop()
        case ["start"]:
            offer.server.start()
        case _:
            return {"error": "a line is: put NAME TEXT, stop, or start"}
    return {"done": line.partition(" ")[0]}


def _say(what: object) -> None:
    sys.stdout.write(f"{json.dumps(what)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
