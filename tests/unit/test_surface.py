"""What the tree offers to people, read from its files, and a command held against it."""

from __future__ import annotations

import argparse

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import cli, surface
from harness.surface import CommandLine, Option, Surface
from harness.testindex import Row

MAKEFILE = """DATA := no
override DATA := DOSE \\
                 HUB
.PHONY: red
red: $(LIGHT) ## show that tests fail
	$(NOX) red
clean: ## remove things
hidden: red
	@echo
one two_2: ## do both
verify: COLOUR := 1
verify: red ## check
ready := yes
out/file.txt $(LIGHT): ## a file
%.o: x ## any
"""
NOXFILE = '''import nox

@nox.session
def red(session):
    """Show that tests fail.

    More of it."""

@nox.session(name="dry-run", python="3.11")
def dry(session):
    pass

@nox.session()
def real_run(session):
    """Run."""

def helper(session):
    """Help."""
'''


def parser():
    made = argparse.ArgumentParser(description="All of it.")
    made.add_argument("--version", action="version", version="1", help="which")
    commands = made.add_subparsers(metavar="COMMAND")
    stage = commands.add_parser("stage", help="run a stage")
    stage.add_argument("stage", choices=("red", "green"))
    stage.add_argument("--dose", action="append", metavar="VALUE", help="only this dose")
    stage.add_argument("--fast", action="store_true")
    check = commands.add_parser("check")
    check.add_argument("files", nargs="+", metavar="FILE")
    check.add_argument("-f", "--fast", action="store_true", help="soon")
    return made


LINES = tuple(surface.describe("python -m harness", parser()))
OFFERED = Surface(
    surface.make_targets(MAKEFILE),
    surface.make_variables(MAKEFILE),
    surface.nox_sessions(NOXFILE),
    (*LINES, CommandLine("python -m harness.reconstruction", "", "", (Option("--seed", "N", ""),))),
)


def test_targets_variables_and_sessions_are_those_that_people_can_call():
    assert OFFERED.targets == (
        Row("make red", "show that tests fail"),
        Row("make clean", "remove things"),
        Row("make hidden", ""),
        Row("make one", "do both"),
        Row("make two_2", "do both"),
        Row("make verify", "check"),
    )
    assert OFFERED.variables == ("DOSE", "HUB")
    assert OFFERED.sessions == (
        Row("nox -s red", "Show that tests fail"),
        Row("nox -s dry-run", ""),
        Row("nox -s real_run", "Run"),
    )
    assert surface.make_variables("") == ()


def test_commands_and_options_become_rows():
    assert surface.command_rows(LINES) == (
        Row("python -m harness stage {red,green}", "run a stage"),
        Row("python -m harness check FILE...", ""),
        Row("python -m harness COMMAND", "All of it"),
    )
    assert surface.option_rows(LINES) == (
        Row("--dose VALUE", "stage: only this dose"),
        Row("--fast", "stage; check: soon"),
        Row("--version", "harness: which"),
    )


def test_the_harness_s_own_command_lines_have_every_command():
    words = [line.words for line in cli.command_lines()]
    assert "python -m harness docs-sync" in words
    assert words[-1] == "python -m harness.reconstruction"
    assert len(words) == len(set(words))


def test_first_lines_of_docstrings_are_told_for_modules_functions_and_methods():
    source = '''"""What it is.

More."""
async def test_a(): "Show a."
def test_b(): pass
class TestC:
    """A class."""
    def test_c(self): """Show c"""
'''
    assert surface.docstrings("t.py", source) == {
        "t.py": "What it is",
        "t.py::test_a": "Show a",
        "t.py::TestC::test_c": "Show c",
    }
    assert surface.docstrings("t.py", "def (") == {}


@pytest.mark.parametrize(
    ("command", "unknown"),
    [
        ("make red DOSE=1000", ""),
        ("DOSE=1000 make clean", ""),
        (".venv/bin/nox -s red dry-run -- --dose 7", ""),
        ("nox -s red -- tests/x.py", ""),
        ("nox", ""),
        ("python -m harness", ""),
        ("python -m harness --help", ""),
        ("python -m harness stage red --dose=1 --fast --help", ""),
        ("python -m harness.reconstruction … --seed 1", ""),
        ("python -m bench.anything --x", ""),
        ("python -m pytest tests", ""),
        ("pytest tests --x", ""),
        ("", ""),
        ("python -m harness --version", ""),
        ("python -m harness --versio", "python -m harness --versio"),
        ("python -m harness check --version", "python -m harness check --version"),
        ("make rad", "make rad"),
        ("make hidden", ""),
        ("cd HUB && make red", ""),
        ("make red; nox -s red | sha256sum > sums.txt", ""),
        ("make red 'a;b=1'", "a;b="),
        ("cd HUB && make rad", "make rad"),
        ("export A=1; make rad || true", "make rad"),
        ("make red | python -m harness stag", "python -m harness stag"),
        ("python -m harness check '' --dose 7", "python -m harness check --dose"),
        ("python3 -m harness stag red", "python -m harness stag"),
        ("env DOSE=1 make rad", "make rad"),
        ("time nice make rad", "make rad"),
        ("make red&& nox -s rad", "nox -s rad"),
        ("make red COLOUR=1", "COLOUR="),
        ("COLOUR=1 nox -s red", "COLOUR="),
        ("nox -s rad", "nox -s rad"),
        ("nox -s red -- --slow", "python -m harness stage --slow"),
        ("python -m harness stag red", "python -m harness stag"),
        ("python -m harness check --dose 7 F", "python -m harness check --dose"),
        ("python -m harness.reconstruction --sed", "python -m harness.reconstruction --sed"),
        ("python -m harnes check", "python -m harnes"),
        ("python -m harness.reconstructio --x", "python -m harness.reconstructio"),
        ("python run.py", "python run.py"),
        ('make "red', "no command: No closing quotation"),
    ],
)
def test_a_command_names_only_what_there_is(command, unknown):
    assert surface.check(command, OFFERED) == unknown


@settings(deadline=None)
@given(st.text())
def test_no_command_makes_it_raise(text):
    surface.check(text, OFFERED)
    surface.check(f"python {text}", OFFERED)
    surface.check(f"nox -s {text}", OFFERED)
