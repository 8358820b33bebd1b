"""What a document may refer to, read from the tree: commands, files, tests, rules, names."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

from harness import cli, layout, matrix, reconstruction, studyfile, surface
from harness.errors import UsageError
from harness.resources import REPOSITORY
from harness.rules import RULES

FOLDERS = (
    "bench",
    "harness",
    "docs",
    "tests",
    "schemas",
    "requirements",
    "plans",
    ".ci",
    ".github",
)
# Places in a hub, and in a wheel, that read like places in the tree.
ELSEWHERE = {layout.SUMMARY, layout.BLOCKER, layout.DOCUMENTS_DIFF, "harness/schemas/"}
FAMILIES = {rule.partition(".")[0] for rule in RULES}


def text_of(name):
    return (REPOSITORY / name).read_text(encoding="utf-8")


def prose(text):
    """Return a document without its code blocks."""
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def spans(text):
    return re.findall(r"`([^`\n]+)`", prose(text))


def table(name, block):
    """Return the cells of each row between a document's markers, its heading left out."""
    found = re.search(rf"<!-- {block}:begin -->\n(.*?)<!-- {block}:end -->", text_of(name), re.S)
    assert found, f"{name} lacks the block {block}"
    rows = found[1].strip().splitlines()[2:]
    return [[cell.strip() for cell in row.strip().strip("|").split(" | ")] for row in rows]


def offered():
    """Return what the tree offers, as the collect stage reads it."""
    makefile = text_of("Makefile")
    return surface.Surface(
        surface.make_targets(makefile),
        surface.make_variables(makefile),
        surface.nox_sessions(text_of("noxfile.py")),
        cli.command_lines(),
    )


def functions_of(path):
    """Return the node ids of a module's tests, read without running it."""
    body = ast.parse(text_of(path)).body
    functions = [node.name for node in body if isinstance(node, ast.FunctionDef)]
    return [f"{path}::{name}" for name in functions if name.startswith("test_")]


def known_settings(settings):
    """Return what is wrong with the values of job filters and presets."""
    design = studyfile.load()
    valid = {**matrix.valid_values(design), "preset": tuple(design.presets)}
    return [
        f"{name}={value}"
        for name, value in settings
        if name.lower() in valid and value not in valid[name.lower()]
    ]


def parse_cli(parser, words):
    """Return why a parser refuses these words, or their values; [] where it takes them."""
    try:
        options = parser.parse_args(words)
        matrix.check_filters(studyfile.load(), reconstruction.requested_filters(options))
    except SystemExit as stop:
        return [f"refused with code {stop.code}: {words}"] if stop.code else []
    except AttributeError:
        return []  # a command without filters
    except UsageError as error:
        return [str(error)]
    return []


def wrong_python(words):
    if words[:1] != ["-m"]:
        return [f"python {words}"]
    if words[1] not in ("harness", "harness.reconstruction"):
        return [] if words[1].partition(".")[0] == "bench" and is_module(words[1]) else words[1:2]
    module = cli if words[1] == "harness" else reconstruction
    if len(words) == 2:
        return []
    return parse_cli(module.make_parser(), words[2:])


def is_module(name):
    return REPOSITORY.joinpath(*name.split(".")).with_suffix(".py").is_file()


def wrong_make(words):
    return known_settings([tuple(word.split("=", 1)) for word in words if "=" in word])


def wrong_nox(words):
    cut = words.index("--") if "--" in words else len(words)
    wrong = [f"nox {word}" for word in words[:1] if word != "-s"]
    for session in words[1:cut]:
        stage = session.replace("_", "-")
        if stage in layout.STAGES and words[cut + 1 :]:
            wrong += parse_cli(cli.make_parser(), ["stage", stage, "--hub=HUB", *words[cut + 1 :]])
    return wrong + wrong_pytest(words[cut + 1 :])


def wrong_pytest(words):
    targets = [word for word in words if word.startswith("tests/")]
    return [problem for target in targets for problem in wrong_path(target)]


PROGRAMS = {
    "python": wrong_python,
    "make": wrong_make,
    "nox": wrong_nox,
    "pytest": wrong_pytest,
    "export": lambda words: [
        word for word in words if word != f"AUTHORITATIVE_CMDS_DOC={layout.AUTHORITATIVE_COMMANDS}"
    ],
    "run": lambda words: [],  # .ci/run
    "cd": lambda words: [],
    "git": lambda words: [],
    "openssl": lambda words: [],
    "sha256sum": lambda words: [],
}


def wrong_command(command):
    """Return what is wrong with a command: its names, then its values, given to the real parser.

    One with an ellipsis is known by its names alone.
    """
    unknown = surface.check(command, offered())
    if unknown:
        return [unknown]
    words = shlex.split(command, comments=True)
    settings = []
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        settings.append(tuple(words.pop(0).split("=", 1)))
    program = Path(words[0]).name
    if program not in PROGRAMS:
        return [f"no known program: {command}"]
    if any("…" in word for word in words) and program == "python":
        words = words[:3]
    return known_settings(settings) + PROGRAMS[program](words[1:])


def wrong_path(path):
    """Return what is wrong with a place of the tree or a test's node id."""
    file, _, test = path.partition("::")
    place = REPOSITORY / file
    if not place.exists():
        return [f"no such file: {path}"]
    if test and path.partition("[")[0] not in functions_of(file):
        return [f"no such test: {path}"]
    return []


def is_command(span):
    return span.split(" ")[0] in ("make", "nox", "python", "pytest") and " " in span


def is_path(span):
    return (
        span.partition("/")[0] in FOLDERS
        and "/" in span
        and " " not in span
        and not re.search(r"[<*{]|/reports/", span)
        and span not in ELSEWHERE
    )


def is_rule(span):
    family, _, name = span.partition(".")
    return bool(family in FAMILIES and re.fullmatch(r"[a-z_-]+|\*", name)) and (
        span in RULES or name not in ("json", "md", "toml", "py", "txt", "log", "npz", "xml")
    )


def wrong_rule(span):
    known = {*RULES, *(f"{family}.*" for family in FAMILIES)}
    return [] if span in known else [f"no such rule: {span}"]


def wrong_module(span):
    """Return what is wrong with a dotted name of the package."""
    parts = span.split(".")
    for length in range(len(parts), 0, -1):
        stem = REPOSITORY.joinpath(*parts[:length])
        source = (
            stem.with_suffix(".py") if stem.with_suffix(".py").is_file() else stem / "__init__.py"
        )
        if source.is_file():
            names = parts[length:]
            wanted = "".join(names[:1])
            defined = rf'^(?:\s*def|class) {wanted}\b|^{wanted}\b|^__all__.*"{wanted}"'
            found = re.search(defined, source.read_text(encoding="utf-8"), re.MULTILINE)
            return [] if not names or found else [f"no such name: {span}"]
    return [f"no such module: {span}"]


def wrong_span(span):
    lines = offered().command_lines
    if span in [line.words for line in lines] + [r.subject for r in surface.command_rows(lines)]:
        return []
    if is_command(span):
        return wrong_command(span)
    if is_path(span):
        return wrong_path(span)
    if is_rule(span):
        return wrong_rule(span)
    if re.fullmatch(r"harness(?:\.\w+)+", span):
        return wrong_module(span)
    return []
