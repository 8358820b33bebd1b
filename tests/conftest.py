"""Shared by all tests: the study, small inputs made once, and a child that is no reconstruction."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from harness import layout, prepare, provenance, studyfile
from tests import small_tree
from tests.memory import hub as memory

# The same examples each time, however slow the machine; --hypothesis-profile=explore tries others.
PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("repeatable", derandomize=True, database=None, **PATIENT)
settings.register_profile("explore", **PATIENT)
# Enough for a mutant, which the unit tests see first.
settings.register_profile("brief", derandomize=True, database=None, max_examples=10, **PATIENT)
settings.load_profile("repeatable")

CHILD = Path(__file__).parent / "children" / "child.py"


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    """Whoever runs the tests may have a key to sign with; no test is to use it."""
    monkeypatch.delenv(provenance.SIGNING_KEY, raising=False)


@pytest.fixture(scope="session", autouse=True)
def versions():
    """Stages here say the versions that the test child attests, where none is installed."""
    plain = provenance.versions
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(provenance, "versions", lambda: small_tree.stood_in(plain()))
        yield


@pytest.fixture(scope="session")
def design():
    return studyfile.load()


@pytest.fixture(scope="session")
def made_inputs(design, tmp_path_factory):
    """The 18 small inputs of the default study; not to be changed."""
    root = tmp_path_factory.mktemp("inputs")
    prepare.prepare_inputs(design, "smoke", root, say=lambda line: None)
    return root


@pytest.fixture
def inputs(made_inputs, tmp_path):
    """The same inputs in a folder of the test's own, to be damaged."""
    return Path(shutil.copytree(made_inputs, tmp_path / "inputs"))


@pytest.fixture
def program():
    """What makes the test child take the place of the real one: `program("--exit", "3")`."""
    return lambda *words: ("-u", str(CHILD), *words)


@pytest.fixture(scope="session")
def sound_tree(made_inputs, tmp_path_factory):
    """A small repository to run stages in, see `tests.small_tree`; not to be changed."""
    return small_tree.make(tmp_path_factory.mktemp("small") / "tree", made_inputs)


@pytest.fixture
def tree(sound_tree, tmp_path):
    """A small repository of the test's own; its inputs are links."""
    return small_tree.copy(sound_tree, tmp_path / "tree")


@pytest.fixture(scope="session")
def sealed_hub(sound_tree, tmp_path_factory):
    """A hub that holds a dry run; not to be changed."""
    root = small_tree.copy(sound_tree, tmp_path_factory.mktemp("dry") / "tree")
    hub = small_tree.new_hub(root)
    assert small_tree.run_stage(root, hub, "dry-run") == 0
    return hub


@pytest.fixture
def small_hub(sealed_hub, tmp_path):
    """A hub of the test's own that holds a dry run."""
    return Path(shutil.copytree(sealed_hub, tmp_path / "hub"))


@pytest.fixture(scope="session")
def complete_hub(sound_tree, tmp_path_factory):
    """A hub that holds all five stages, its reconstruction by the test child; not to be changed."""
    root = small_tree.copy(sound_tree, tmp_path_factory.mktemp("complete") / "tree")
    hub = small_tree.new_hub(root)
    for stage in layout.STAGES:
        assert small_tree.run_stage(root, hub, stage) == 0, stage
    return hub


@pytest.fixture(scope="session")
def failed_hub(sound_tree, tmp_path_factory):
    """A hub whose red, green and real run failed; not to be changed."""
    tree = small_tree.copy(sound_tree, tmp_path_factory.mktemp("failed") / "tree")
    hub = small_tree.new_hub(tree)
    tests = tree / "tests" / "study" / "test_small.py"
    tests.write_text(tests.read_text().replace('== "ptychi.log"', '!= ""'))
    assert small_tree.run_stage(tree, hub, "red") == 1
    tests.write_text(tests.read_text().replace('!= ""', '== "other.log"'))
    assert small_tree.run_stage(tree, hub, "green") == 1
    assert small_tree.run_stage(tree, hub, "real-run", child="--exit 3") == 1
    return hub


@pytest.fixture
def hub_to_attack(complete_hub, tmp_path):
    """A hub with all five stages, of the test's own."""
    return Path(shutil.copytree(complete_hub, tmp_path / "hub"))


@pytest.fixture
def hub_in_memory():
    """A small sound hub in memory, of the test's own: see `tests.memory.hub`."""
    return memory.sound()


@pytest.fixture(scope="module")
def schemas_once():
    """Ask the schemas once about a document, since most tests change only one of a hub's."""
    with memory.schemas_asked_once():
        yield
