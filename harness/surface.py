"""What the tree offers to people, as values: make targets, nox sessions, commands, options, tests.

Pure: fed with the text of files and with argparse parsers.  `check` holds a command of a
document against it.
"""

from __future__ import annotations

import argparse
import ast
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from harness import layout
from harness.testindex import Row

# A rule's first line; `name: COLOUR := 1` is a variable of a target, no rule.
_RULE = re.compile(
    r"^(?P<names>[^\s#:=][^#:=\n]*):(?!:?=)(?![ \t]*\w+[ \t]*[:+?]*=)(?P<rest>.*)$", re.MULTILINE
)
# Files, patterns and what make itself gives a meaning are nothing that people call.
_TARGET = re.compile(r"\w[\w-]*")
_VARIABLES = re.compile(r"^override DATA := (?P<names>(?:.*\\\n)*.*)$", re.MULTILINE)
_SETTING = re.compile(r"(?P<name>[A-Z_]+)=.*", re.DOTALL)
SEPARATORS = ";&|"
# What may stand before a command and runs it.
BEFORE = ("env", "exec", "nice", "time")
STAGE = "python -m harness stage"


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a command: `--dose`, what it takes ("" for nothing), what it is for."""

    flag: str
    value: str
    purpose: str


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A command: `python -m harness verify`, its arguments (`HUB`), purpose and options."""

    words: str
    arguments: str
    purpose: str
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class Surface:
    """All that a command of a document may name; subjects of rows are whole commands."""

    targets: tuple[Row, ...]
    variables: tuple[str, ...]
    sessions: tuple[Row, ...]
    command_lines: tuple[CommandLine, ...]


def make_targets(makefile: str) -> tuple[Row, ...]:
    """Return the targets of a Makefile (`name: needs ## purpose`), in its order.

    One that it does not explain has no purpose.
    """
    purposes: dict[str, str] = {}
    for rule in _RULE.finditer(makefile):
        purpose = rule["rest"].partition("## ")[2].strip()
        for name in filter(_TARGET.fullmatch, rule["names"].split()):
            purposes[name] = purposes.get(name) or purpose
    return tuple(Row(f"make {name}", purpose) for name, purpose in purposes.items())


def make_variables(makefile: str) -> tuple[str, ...]:
    """Return the variables that a Makefile takes as data."""
    found = _VARIABLES.search(makefile)
    return tuple(found["names"].replace("\\\n", " ").split()) if found else ()


def nox_sessions(noxfile: str) -> tuple[Row, ...]:
    """Return the sessions of a noxfile with the first lines of their docstrings."""
    functions = [node for node in ast.parse(noxfile).body if isinstance(node, ast.FunctionDef)]
    return tuple(
        Row(f"nox -s {name}", first_line(function))
        for function in functions
        for decorator in function.decorator_list
        if (name := _session(decorator, function.name))
    )


def docstrings(path: str, source: str) -> dict[str, str]:
    """Return the first line of the docstring of a test module and of each test in it.

    By subject: the path, and node ids.  What has no docstring is left out, and so is a module
    that cannot be parsed.
    """
    try:
        module = ast.parse(source)
    except (SyntaxError, ValueError):
        return {}
    told = {path: first_line(module)}
    for node in module.body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        owner = f"{path}::{node.name}" if isinstance(node, ast.ClassDef) else path
        for each in inner:
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
                told[f"{owner}::{each.name}"] = first_line(each)
    return {subject: words for subject, words in told.items() if words}


def first_line(node: ast.Module | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """Return the first line of a docstring as it stands in a table: without its full stop."""
    return (ast.get_docstring(node) or "").partition("\n")[0].strip().removesuffix(".")


def describe(words: str, parser: argparse.ArgumentParser, purpose: str = "") -> list[CommandLine]:
    """Return the commands of a parser: its sub-commands first, where it has some.

    words: how it is called.  One with sub-commands is a command itself where it has options.
    """
    actions = [action for action in parser._actions if action.dest != "help"]
    nested = [each for each in actions if isinstance(each, argparse._SubParsersAction)]
    own = CommandLine(
        words,
        " ".join(_value(action) for action in actions if not action.option_strings),
        purpose or (parser.description or "").removesuffix("."),
        tuple(
            Option(action.option_strings[-1], _value(action), action.help or "")
            for action in actions
            if action.option_strings
        ),
    )
    lines: list[CommandLine] = []
    for each in nested:
        helps = {choice.dest: choice.help or "" for choice in each._choices_actions}
        for name, child in each.choices.items():
            lines += describe(f"{words} {name}", child, helps.get(name, ""))
    return [*lines, own] if own.options or not nested else lines


def command_rows(lines: Iterable[CommandLine]) -> tuple[Row, ...]:
    """Return a row for each command."""
    return tuple(Row(f"{line.words} {line.arguments}".strip(), line.purpose) for line in lines)


def option_rows(lines: Iterable[CommandLine]) -> tuple[Row, ...]:
    """Return a row for each option: who takes it, and what it says there."""
    takers: dict[str, dict[str, list[str]]] = {}
    for line in lines:
        for option in line.options:
            said = takers.setdefault(f"{option.flag} {option.value}".strip(), {})
            said.setdefault(option.purpose, []).append(line.words.rpartition(" ")[2])
    return tuple(
        Row(subject, "; ".join(_taken(*item) for item in takers[subject].items()))
        for subject in sorted(takers)
    )


def check(command: str, surface: Surface) -> str:
    """Return what of a command the tree does not take; "" where it takes all, or is not asked.

    Names are looked up, of commands, options, targets, variables and sessions; values are not.
    """
    try:
        simple = [*_simple(command)]
    except ValueError as error:
        return f"no command: {error}"
    return ", ".join(each for words in simple for each in _check_simple(words, surface))


def _simple(line: str) -> Iterator[list[str]]:
    """Yield the words of each simple command of a line: between pipes, `&&`, `||`, `;` and `&`."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=SEPARATORS)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if word and not word.strip(SEPARATORS):
            yield words
            words = []
        else:
            words.append(word)
    yield words


def _check_simple(words: Sequence[str], surface: Surface) -> list[str]:
    own = (at for at, w in enumerate(words) if not (w in BEFORE or _SETTING.fullmatch(w)))
    cut = next(own, len(words))
    settings, called = [word for word in words[:cut] if word not in BEFORE], words[cut:]
    program = PurePosixPath(called[0]).name if called else ""
    unknown = [*_CHECKS.get(program, _nothing)(called[1:], surface)]
    return [*unknown, *_variables(settings, surface)] if program in ("make", "nox") else unknown


def _nothing(_words: Sequence[str], _surface: Surface) -> Iterator[str]:
    return iter(())


def _variables(settings: Iterable[str], surface: Surface) -> Iterator[str]:
    names = [setting.partition("=")[0] for setting in settings]
    return (f"{name}=" for name in names if name not in surface.variables)


def _make(words: Sequence[str], surface: Surface) -> Iterator[str]:
    known = {each.subject for each in surface.targets}
    yield from (f"make {w}" for w in words if "=" not in w and f"make {w}" not in known)
    yield from _variables([word for word in words if "=" in word], surface)


def _nox(words: Sequence[str], surface: Surface) -> Iterator[str]:
    cut = words.index("--") if "--" in words else len(words)
    known = {each.subject for each in surface.sessions}
    names = [word for word in words[:cut] if not word.startswith("-")]
    yield from (f"nox -s {name}" for name in names if f"nox -s {name}" not in known)
    if any(name.replace("_", "-") in layout.STAGES for name in names):
        yield from _options(words[cut + 1 :], STAGE, surface)


def _python(words: Sequence[str], surface: Surface) -> Iterator[str]:
    called = f"python {' '.join(words)}"
    known = [line.words for line in surface.command_lines]
    family = " ".join(["python", *words[:2]])
    if not any(each.split(" ")[:3] == family.split(" ") for each in known):
        if not re.match(r"python -m (bench\.\w+|pytest)$", family):
            yield family
        return
    named = [each for each in known if called == each or called.startswith(f"{each} ")]
    longest = max(named, key=len, default=family)
    has_more = any(each.startswith(f"{longest} ") for each in known)
    further = words[len(longest.split(" ")) - 1 :]
    if has_more and further and not further[0].startswith("-"):
        yield " ".join([longest, further[0]])
    elif named:
        yield from _options(words, longest, surface)


def _options(words: Sequence[str], called: str, surface: Surface) -> Iterator[str]:
    lines: Mapping[str, CommandLine] = {line.words: line for line in surface.command_lines}
    known = {option.flag for option in lines[called].options} if called in lines else set()
    flags = [word.partition("=")[0] for word in words if re.match(r"--\w", word)]
    return (f"{called} {flag}" for flag in flags if flag not in {*known, "--help"})


_CHECKS = {"make": _make, "nox": _nox, "python": _python, "python3": _python}


def _session(decorator: ast.expr, name: str) -> str:
    """Return the name under which nox knows a function that is decorated so; "" for none."""
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    if ast.unparse(target) != "nox.session":
        return ""
    words = decorator.keywords if isinstance(decorator, ast.Call) else []
    given = [ast.literal_eval(word.value) for word in words if word.arg == "name"]
    return str(given[0]) if given else name


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    choices = f"{{{','.join(map(str, action.choices))}}}" if action.choices else ""
    shown = action.metavar if isinstance(action.metavar, str) else choices or action.dest.upper()
    return f"{shown}..." if action.nargs == "+" else shown


def _taken(purpose: str, commands: Sequence[str]) -> str:
    names = ", ".join(commands)
    return f"{names}: {purpose}" if purpose else names
