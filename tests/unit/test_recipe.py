"""Recipes: what they come to for an input, and what is refused."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import canonical, recipe, recipefile, reconcile, resources, studyfile
from harness.errors import InputInvalid, UsageError
from harness.jobs import settings

SEED = recipefile.load("seed")
DEFAULT = recipefile.load("default")
BOX = {"rows": [10, 20], "columns": [5, 25]}


def changed(tmp_path, old, new, name="recipe.toml"):
    text = resources.recipes()["default"].read_text()
    assert text.count(old) == 1, old
    path = tmp_path / name
    path.write_text(text.replace(old, new))
    return path


def test_the_seed_recipe_leaves_pty_chi_as_it_is():
    assert (SEED["num_epochs"], SEED["batch_size"], SEED["stop"]) == (100, 96, "final")
    assert recipe.options(recipe.resolve(SEED, "given", {}), 1.0, on_pixels=True) == {
        "reconstructor_options.batching_mode": "random",
        "reconstructor_options.noise_model": "gaussian",
    }


def test_the_default_study_follows_the_default_recipe():
    assert studyfile.load().recipe == "default"


@pytest.mark.parametrize(("frames", "size"), [(1, 1), (3, 1), (4, 2), (142, 48)])
def test_a_share_of_the_frames_is_rounded_up(frames, size):
    assert recipe.batch_size({"batch_size": "frames/3"}, frames) == size
    assert recipe.batch_size({"batch_size": 96}, frames) == 96


@given(frames=st.integers(1, 10_000), parts=st.integers(1, 1000))
def test_a_batch_has_a_frame_and_never_more_than_there_are(frames, parts):
    size = recipe.batch_size({"batch_size": f"frames/{parts}"}, frames)
    assert 1 <= size <= frames
    assert size * parts >= frames


@pytest.mark.parametrize(("frames", "epochs"), [(1, 4000), (9, 445), (100, 40), (700, 40)])
def test_few_frames_are_gone_through_more_often(frames, epochs):
    assert recipe.num_epochs({"num_epochs": "max(40, 4000/frames)"}, frames) == epochs
    assert recipe.num_epochs({"num_epochs": 100}, frames) == 100


def test_light_is_all_photons_over_the_pixels_of_the_box():
    assert recipe.photons_per_px(8, 50.0, BOX) == 2.0
    assert recipe.photons_per_px(8, 50.0, {"rows": [3, 3], "columns": [1, 9]}) == 400.0


def test_a_weight_goes_with_the_root_of_the_light():
    asked = {"options": {"a.weight": "0.2/sqrt(photons_per_px)", "a.enabled": True}}
    assert recipe.options(asked, 4.0, on_pixels=True) == {"a.enabled": True, "a.weight": 0.1}


POSITIONS = {
    "options": {"a": 1},
    "options_by_positions": {"on_pixels": {"a": 2}, "between_pixels": {"b": 3}},
}


def test_options_go_with_where_the_positions_are():
    assert recipe.options(POSITIONS, 1.0, on_pixels=True) == {"a": 2}
    assert recipe.options(POSITIONS, 1.0, on_pixels=False) == {"a": 1, "b": 3}


def test_positions_that_are_refined_do_not_stay_on_pixels():
    refined = {"probe_position_options.optimizable": True}
    asked = {**POSITIONS, "options": refined}
    assert recipe.options(asked, 1.0, on_pixels=True) == {**refined, "b": 3}


def test_a_probe_that_is_known_is_kept_and_a_guess_is_not():
    known, guess = (
        recipe.options(recipe.resolve(DEFAULT, probe, {}), 1.0, on_pixels=True)
        for probe in ("given", "guess")
    )
    assert known["probe_options.optimizable"] is False
    assert guess["probe_options.optimizable"] is True


def test_what_a_command_sets_is_named_and_changes_the_digest():
    plain = recipe.resolve(SEED, "given", {})
    asked = recipe.resolve(SEED, "given", {"num_epochs": 100})
    assert asked["overridden"] == ["num_epochs"]
    assert recipe.digest(asked) != recipe.digest(plain)
    assert recipe.resolve(asked, "given", {}) == asked


def test_what_was_held_out_and_how_an_epoch_was_chosen_is_the_recipe_s():
    asked = {"recipe": DEFAULT, "seed": 3}
    part = {"by": "photons", "share": 0.03, "seed": 3, "as_good": 1.004}
    assert DEFAULT["held_out"] == {"share": 0.03, "by": "photons", "as_good": 1.004}
    assert reconcile.held_out_asked(asked) == reconcile.held_out_done(
        {"stopping": {"held_out": part}}
    )
    for name, value in (("share", 0.1), ("seed", 4), ("as_good", 1.005)):
        done = reconcile.held_out_done({"stopping": {"held_out": {**part, name: value}}})
        assert reconcile.held_out_asked(asked) != done
    assert reconcile.held_out_asked(asked | {"recipe": SEED}) is None
    assert reconcile.held_out_done({"stopping": None}) is None


def test_nothing_stops_by_what_is_not_held_out():
    with pytest.raises(UsageError, match="recipe 'seed' holds nothing out; name one"):
        recipe.resolve(SEED, "given", {"stop": "heldout"})
    assert recipe.resolve(DEFAULT, "given", {"stop": "heldout"})["stop"] == "heldout"


def test_a_recipe_of_a_job_reads_as_the_one_that_it_came_from(tmp_path):
    from harness import files

    asked = recipe.resolve(DEFAULT, "given", {"num_epochs": 2})
    files.write_json(tmp_path / "recipe.json", asked)
    assert recipefile.load(tmp_path / "recipe.json") == asked


def test_an_unknown_name_lists_those_there_are():
    with pytest.raises(UsageError, match="'fast' is unknown; known: default, seed"):
        recipefile.load("fast")


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="name one with --recipe"):
        recipefile.load(tmp_path / "mine.toml")


@pytest.mark.parametrize(
    ("old", "new", "pointer"),
    [
        ('"max(40, 4000/frames)"', "2e1", "/num_epochs"),
        ('"max(40, 4000/frames)"', '"4000/frames"', "/num_epochs"),
        ('batch_size = "frames/3"', 'batch_size = "frames / 3"', "/batch_size"),
        ("share = 0.03", "share = 0.9", "/held_out/share"),
        ('"object_options.optimizer"', '"object_options.optimiser"', "/options"),
    ],
)
def test_a_breach_of_the_schema_names_the_key(tmp_path, old, new, pointer):
    with pytest.raises(InputInvalid) as refused:
        recipefile.load(changed(tmp_path, old, new))
    assert [item.pointer for item in refused.value.findings] == [pointer]


@pytest.mark.parametrize(("name", "kind"), [("recipe.toml", "TOML"), ("recipe.json", "JSON")])
def test_what_is_no_document_is_refused(tmp_path, name, kind):
    (tmp_path / name).write_text("= {")
    with pytest.raises(InputInvalid, match=f"is not {kind}"):
        recipefile.load(tmp_path / name)


WEIGHTS = {
    "opr_mode_weight_options.optimizable": True,
    "opr_mode_weight_options.optimize_intensity_variation": True,
    "opr_mode_weight_options.optimize_eigenmode_weights": False,
}


@pytest.mark.parametrize("place", ["options", "options_by_probe", "options_by_positions"])
def test_weights_of_opr_modes_are_refused_where_there_is_one(tmp_path, place):
    asked = {name: value for name, value in SEED.items() if name != "source_sha256"}
    if place == "options":
        asked["options"] = asked["options"] | WEIGHTS
    else:
        asked[place] = {"given" if "probe" in place else "on_pixels": WEIGHTS}
    path = tmp_path / "mine.json"
    for modes in ({}, {"opr_modes": 1}):
        path.write_bytes(canonical.to_bytes(asked | modes))
        with pytest.raises(InputInvalid) as refused:
            recipefile.load(path)
        said = str(refused.value)
        assert said.endswith(
            "of no effect where there is one OPR mode: opr_mode_weight_options.optimizable, "
            "opr_mode_weight_options.optimize_eigenmode_weights, "
            "opr_mode_weight_options.optimize_intensity_variation; leave them out, "
            "or set opr_modes to 2 or more"
        )
    path.write_bytes(canonical.to_bytes(asked | {"opr_modes": 2}))
    assert recipefile.load(path)["opr_modes"] == 2


class Weights:
    """Refuses values that do not go together after each that is set, as pty-chi's options do."""

    optimizable, optimize_eigenmode_weights, optimize_intensity_variation = False, True, False

    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        either = self.optimize_eigenmode_weights or self.optimize_intensity_variation
        if self.optimizable and not either:
            raise ValueError("at least 1 should be set to True")


def test_options_that_go_together_are_set_whatever_the_order_of_their_names():
    options = SimpleNamespace(opr_mode_weight_options=Weights())
    settings.apply(options, WEIGHTS)
    assert vars(options.opr_mode_weight_options) == {
        path.rpartition(".")[2]: value for path, value in WEIGHTS.items()
    }
    neither = WEIGHTS | {"opr_mode_weight_options.optimize_intensity_variation": False}
    with pytest.raises(InputInvalid, match=r"optimizable = True: at least 1 should be"):
        settings.apply(SimpleNamespace(opr_mode_weight_options=Weights()), neither)


# Against what a child attests.


def attested(asked, **changes):
    """Return what matters of an attestation that follows a recipe, then changed."""
    read = {"frames": 8, "mean_photons_per_frame": 50.0, "positions_on_pixels": True}
    options = recipe.options(asked, 2.0, on_pixels=True)
    document = {
        "input": read,
        "truth": {"region_px": BOX},
        "settings": options,
        "options_changed": {path: {"default": None, "used": 1} for path in options},
    }
    return {**document, **changes}


def found(asked, document):
    return [item.pointer for item in reconcile.check_settings(asked, document, "result.json")]


def test_a_child_that_did_as_the_recipe_says_is_believed():
    asked = recipe.resolve(DEFAULT, "given", {})
    assert found(asked, attested(asked)) == []


def test_an_option_of_another_value_or_not_said_is_found():
    asked = recipe.resolve(DEFAULT, "given", {})
    settings = dict(attested(asked)["settings"])
    settings["object_options.step_size"] = 0.1
    settings["object_options.total_variation.weight"] *= 2
    del settings["probe_options.optimizable"]
    assert found(asked, attested(asked, settings=settings)) == [
        "/settings/object_options.step_size",
        "/settings/object_options.total_variation.weight",
        "/settings/probe_options.optimizable",
    ]


def test_an_option_that_no_recipe_asked_to_change_is_found():
    asked = recipe.resolve(SEED, "given", {})
    changed = {
        "object_options.l1_norm_constraint.enabled": {"default": False, "used": True},
        "reconstructor_options.random_seed": {"default": None, "used": 1},
    }
    assert found(asked, attested(asked, options_changed=changed)) == [
        "/options_changed/object_options.l1_norm_constraint.enabled"
    ]
