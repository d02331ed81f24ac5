"""An application that takes its secrets as BeemFlow does, and says what it sees, as digests: never a value.

At its start it reads `.env` in its working directory, then the environment, which stands over it; and never again.
Beside that it looks at the files of the folder that it is given, and at `.env`, and says so when one changes. Each line
is JSON: {"start": {name: digest}, "files": {name: digest}}.
"""

import hashlib
import json
import os
import sys
import time
from pathlib import Path


def digest(value: bytes) -> str:
    """Return what tells two values apart and says nothing about them."""
    return hashlib.sha256(value).hexdigest()


def dotenv(path: Path) -> dict[str, str]:
    """Return the simple `NAME=value` lines of a file, quotes taken off."""
    lines = path.read_text().splitlines() if path.exists() else []
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name: value.strip("\"'") for name, _, value in pairs}


def files(folder: Path) -> dict[str, str]:
    """Return the digests of the files of a mounted Secret, as `name`, and of `.env`."""
    found = {path.name: digest(path.read_bytes()) for path in folder.iterdir() if not path.name.startswith("..")}
    return found | {f".env:{name}": digest(value.encode()) for name, value in dotenv(Path(".env")).items()}


def main(folder: Path) -> None:
    """Say what is seen at the start, and again whenever a file changes."""
    start = {name: digest(value.encode()) for name, value in (dotenv(Path(".env")) | os.environ).items()}
    said: dict[str, str] | None = None
    while True:
        seen = files(folder)
        if seen != said:
            print(json.dumps({"start": start, "files": seen}), flush=True)
            said = seen
        time.sleep(0.1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
