"""The syntax tree of a Go template, as far as it is turned."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from beemflow_secrets.migrate.gotemplate.faults import NotTurned
from beemflow_secrets.migrate.gotemplate.lexer import Token, pieces

if TYPE_CHECKING:
    from beemflow_secrets.migrate.gotemplate.lexer import Piece

DEEPEST = 50
_BLOCKS = ("if", "range", "with")


@dataclass(frozen=True, slots=True)
class Operand:
    """A value: its kind, its text, the names behind its dots, and what stands in brackets."""

    kind: str
    text: str = ""
    chain: tuple[str, ...] = ()
    inner: Pipe | None = None


@dataclass(frozen=True, slots=True)
class Pipe:
    """Commands, each of which is given what the one before it gave; and the variables that are set to the last."""

    commands: list[list[Operand]]
    names: list[str] = field(default_factory=list)
    declares: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """A text, a pipe that prints, or a block: if, range or with."""

    kind: str
    text: str = ""
    pipe: Pipe | None = None
    body: list[Node] = field(default_factory=list)
    other: list[Node] = field(default_factory=list)


def parse(text: str) -> list[Node]:
    """Return the nodes of a template. Raises NotTurned."""
    parser = _Parser(pieces(text))
    nodes, ending = parser.nodes(0)
    if ending:
        raise NotTurned(f"it is no template: {{{{ {ending[0].text} }}}} stands alone")
    return nodes


class _Parser:
    def __init__(self, found: list[Piece]) -> None:
        self._found = found
        self._at = 0

    def nodes(self, depth: int) -> tuple[list[Node], list[Token]]:
        """Return nodes up to `else` or `end`, and its tokens; none at the end of the text."""
        if depth > DEEPEST:
            raise NotTurned("it is nested too deep")
        made: list[Node] = []
        while self._at < len(self._found):
            piece = self._found[self._at]
            self._at += 1
            if piece.tokens is None:
                made.append(Node("text", piece.text))
                continue
            word = piece.tokens[0].text if piece.tokens and piece.tokens[0].kind == "word" else ""
            if word in {"end", "else"}:
                return made, piece.tokens
            if word in _BLOCKS:
                made.append(self._block(word, piece.tokens[1:], depth))
            elif word in {"define", "template", "block", "break", "continue"}:
                raise NotTurned(f"the statement {word} has no counterpart here")
            else:
                made.append(Node("print", pipe=_pipe(piece.tokens)))
        return made, []

    def _block(self, word: str, tokens: list[Token], depth: int) -> Node:
        pipe = _pipe(tokens)
        body, ending = self.nodes(depth + 1)
        other: list[Node] = []
        if ending and ending[0].text == "else":
            if len(ending) > 1:  # `else if x` is an `if` in the `else`, with one `end` for both
                other = [self._block(ending[1].text, ending[2:], depth + 1)]
                return Node(word, pipe=pipe, body=body, other=other)
            other, ending = self.nodes(depth + 1)
        if not ending or ending[0].text != "end":
            raise NotTurned(f"it is no template: {word} has no end")
        return Node(word, pipe=pipe, body=body, other=other)


def _pipe(tokens: list[Token]) -> Pipe:
    at = next((place for place, token in enumerate(tokens) if token.kind in {":=", "="}), None)
    if at is None:
        commands, rest = _commands(tokens)
        _nothing(rest)
        return Pipe(commands)
    names = [token.text for token in tokens[:at] if token.kind == "variable"]
    if [token.kind for token in tokens[:at]] not in (["variable"], ["variable", ",", "variable"]):
        raise NotTurned("it is no template: only variables are set")
    commands, rest = _commands(tokens[at + 1 :])
    _nothing(rest)
    return Pipe(commands, names, tokens[at].kind == ":=")


def _nothing(rest: list[Token]) -> None:
    if rest:
        raise NotTurned("it is no template: a bracket stands alone")


def _commands(tokens: list[Token]) -> tuple[list[list[Operand]], list[Token]]:
    commands: list[list[Operand]] = [[]]
    while tokens and tokens[0].kind != ")":
        token = tokens[0]
        if token.kind == "|":
            commands.append([])
            tokens = tokens[1:]
            continue
        operand, tokens = _operand(tokens)
        commands[-1].append(operand)
    if not all(commands):
        raise NotTurned("it is no template: a command is missing")
    return commands, tokens


def _operand(tokens: list[Token]) -> tuple[Operand, list[Token]]:
    token, rest = tokens[0], tokens[1:]
    inner: Pipe | None = None
    match token.kind:
        case "(":
            commands, rest = _commands(rest)
            if not rest:
                raise NotTurned("it is no template: a bracket does not end")
            inner, rest = Pipe(commands), rest[1:]
        case "field" | "dot" | "variable" | "string" | "number" | "word":
            pass
        case _:
            raise NotTurned("it is no template: a sign stands where a value belongs")
    chain: list[str] = []
    while rest and rest[0].kind == "field" and rest[0].glued and token.kind in {"field", "variable", "("}:
        chain.append(rest[0].text)
        rest = rest[1:]
    if token.kind == "field":
        return Operand("dot", chain=(token.text, *chain)), rest
    return Operand(token.kind, token.text, tuple(chain), inner), rest
