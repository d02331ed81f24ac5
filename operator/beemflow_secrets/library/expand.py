"""Variables in the strings of a configuration file: `${VAR}`, and `$env:VAR` as BeemFlow writes it elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping

from beemflow_secrets.model.explain import Mistake, Place

_NAME = "[A-Za-z_][A-Za-z0-9_]*"
_VARIABLE = re.compile(rf"\$\{{(?P<braced>[^}}]*)\}}|\$env:(?P<plain>{_NAME})")


def expand(written: object, environment: Mapping[str, str]) -> tuple[object, list[Mistake]]:
    """Put the variables' values into every string, once: what a value holds is not expanded again.

    The mistakes name the field and the variable that is not set; the string stays as it is there.
    """
    mistakes: list[Mistake] = []
    return _expand(written, (), environment, mistakes), mistakes


def _expand(written: object, place: Place, environment: Mapping[str, str], mistakes: list[Mistake]) -> object:
    match written:
        case str():
            return _in_text(written, place, environment, mistakes)
        case Mapping():
            return {name: _expand(item, (*place, name), environment, mistakes) for name, item in written.items()}
        case list() | tuple():
            return [_expand(item, (*place, index), environment, mistakes) for index, item in enumerate(written)]
        case _:
            return written


def _in_text(text: str, place: Place, environment: Mapping[str, str], mistakes: list[Mistake]) -> str:
    def value(found: re.Match[str]) -> str:
        name = found["plain"] or found["braced"]
        if re.fullmatch(_NAME, name) is None:
            # What stands there may be part of a password: it is not shown.
            mistakes.append(Mistake(place, "${…} takes the name of an environment variable, as ${VAULT_TOKEN}"))
        elif name not in environment:
            mistakes.append(Mistake(place, f"the environment variable {name} is not set"))
        else:
            return environment[name]
        return found[0]

    return _VARIABLE.sub(value, text)
