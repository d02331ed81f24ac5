"""The words of Go's template language: texts, actions, and the tokens within an action."""

from __future__ import annotations

import re
import sys
from typing import NamedTuple

from beemflow_secrets.migrate.gotemplate.faults import NotTurned

BLANKS = " \t\r\n"
"""What `{{-` and `-}}` take away."""


class Token(NamedTuple):
    """A word within an action. `glued`: no blank stands before it, which matters for `.a.b`."""

    kind: str
    text: str
    glued: bool


class Piece(NamedTuple):
    """A text, or the tokens of an action."""

    text: str
    tokens: list[Token] | None = None


_TOKEN = re.compile(
    r"""
    (?P<string>"(?:[^"\\\n]|\\.)*")
  | (?P<raw>`[^`]*`)
  | (?P<number>[-+]?\d+\b(?![.\w]))
  | (?P<field>\.[^\W\d]\w*)
  | (?P<dot>\.)
  | (?P<variable>\$\w*)
  | (?P<word>[^\W\d]\w*)
  | (?P<declare>:=)
  | (?P<sign>[|(),=])
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:([abfnrtv\\\"'])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|.)")
_HALVES, _ASCII = range(0xD800, 0xE000), range(0x80)
_ESCAPED = dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True))


def pieces(text: str) -> list[Piece]:
    """Return texts and actions, blanks taken away where an action asks for it. Raises NotTurned."""
    found: list[Piece] = []
    at, trim = 0, False
    while (start := text.find("{{", at)) >= 0:
        before = text[at:start].lstrip(BLANKS) if trim else text[at:start]
        inside = start + 2
        if text[inside : inside + 1] == "-" and text[inside + 1 : inside + 2] in set(BLANKS):
            before, inside = before.rstrip(BLANKS), inside + 2
        found.append(Piece(before))
        if text[inside:].lstrip(BLANKS).startswith("/*"):
            at, trim = _after_comment(text, inside)
            continue
        tokens, at, trim = _action(text, inside)
        found.append(Piece("", tokens))
    found.append(Piece(text[at:].lstrip(BLANKS) if trim else text[at:]))
    return _joined(found)


def _joined(found: list[Piece]) -> list[Piece]:
    """Join texts that a comment stood between, and leave out empty ones."""
    joined: list[Piece] = []
    for piece in found:
        if piece.tokens is None and joined and joined[-1].tokens is None:
            joined[-1] = Piece(joined[-1].text + piece.text)
        elif piece.tokens is not None or piece.text:
            joined.append(piece)
    return joined


def _after_comment(text: str, inside: int) -> tuple[int, bool]:
    end = text.find("*/", inside)
    closing = re.compile(r"(\s-)?\}\}").match(text, end + 2) if end >= 0 else None
    if closing is None:
        raise NotTurned("it is no template: a comment does not end")
    return closing.end(), closing[1] is not None


def _action(text: str, at: int) -> tuple[list[Token], int, bool]:
    tokens: list[Token] = []
    glued = False
    while at < len(text):
        if text[at] in BLANKS:
            if text.startswith("-}}", at + 1):
                return tokens, at + 4, True
            at, glued = at + 1, False
            continue
        if text.startswith("}}", at):
            return tokens, at + 2, False
        match = _TOKEN.match(text, at)
        if match is None:
            raise NotTurned("it has a sign in it that is not turned")
        kind = match.lastgroup or ""
        tokens.append(_token(kind, match.group(), glued=glued))
        at, glued = match.end(), True
    raise NotTurned("it is no template: an action does not end")


def _token(kind: str, text: str, *, glued: bool) -> Token:
    match kind:
        case "string":
            return Token("string", _unescaped(text[1:-1]), glued)
        case "raw":
            return Token("string", text[1:-1].replace("\r", ""), glued)
        case "field" | "variable":
            return Token(kind, text[1:], glued)
        case "declare" | "sign":
            return Token(text, text, glued)
    return Token(kind, text, glued)


def _unescaped(text: str) -> str:
    """Return what a Go string says. Bytes that make no characters are not turned."""

    def one(found: re.Match[str]) -> str:
        sign, byte, short, long, octal = found.groups()
        if sign is not None:
            return _ESCAPED.get(sign, sign)
        code = byte or short or long
        number = int(code, 16) if code else int(octal, 8) if octal else -1
        if number < 0 or number > sys.maxunicode or number in _HALVES or ((byte or octal) and number not in _ASCII):
            raise NotTurned("it has an escape in it that is not turned")
        return chr(number)

    return _ESCAPE.sub(one, text)
