# One command for each thing people do here; make help lists them.
#
# The variables below are data. A recipe never has one in its text: each is taken as typed,
# $(...) and all, put into the environment, and read there by noxfile.py, or by the shell as
# one quoted word. So DOSE='1000; rm -rf /' is only a dose that no study has.

PYTHON ?= python3
override DATA := PYTHON DOSE VIEW SPLIT GRIDSIZE RECIPE EPOCHS STOP HALVES DEVICE SEED INITIAL_OBJECT \
                 PROBE PARALLEL FAIL_FAST PRESET BASE BASE_REF HUB PUBLIC_KEY FILE \
                 OUT JOB TO OPTIONS
$(foreach name,$(DATA),$(eval override $(name) := $$(value $(name))))
export $(DATA)
# Without this, make would hand its command line on to every make below it.
MAKEOVERRIDES :=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

LIGHT := .venv-light/stamp
FULL := .venv/stamp
NOX := @.venv-light/bin/nox -s
HARNESS := .venv-light/bin/python -m harness
COMPILE := uv --no-config pip compile --universal --python-version 3.11 --fork-strategy fewest \
           --generate-hashes --no-annotate --custom-compile-command 'make lock'
# What a recipe about a hub needs beforehand: without HUB nothing, since it only says so.
# $(if) asks whether the value is empty, and expands no word of it.
LIGHT_FOR_HUB := $(if $(value HUB),$(LIGHT))
FULL_FOR_HUB := $(if $(value HUB),$(FULL))
LIGHT_FOR_FILE := $(if $(value FILE),$(LIGHT))
FULL_FOR_FILE := $(if $(value FILE),$(FULL))
NEEDS_HUB = @test -n "$$HUB" || { echo 'say which hub: make $@ HUB=PATH' >&2; exit 2; }

.PHONY: help
help: ## list the targets (the default)
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile
	@echo
	@echo 'Variables, as in make real-run DOSE=1000 VIEW=dense SPLIT=train EPOCHS=100:'
	@echo '  DOSE VIEW SPLIT GRIDSIZE                   which jobs'
	@echo '  RECIPE EPOCHS STOP INITIAL_OBJECT PROBE HALVES DEVICE SEED  how they are reconstructed'
	@echo '  PARALLEL                                   jobs side by side; default: one a core, on a GPU one'
	@echo '  FAIL_FAST=1                                stop at the first job that fails'
	@echo '  PRESET BASE                                which inputs: default or smoke; a base NPZ'
	@echo '  BASE_REF                                   red: a commit to run the mapped tests against too'
	@echo '  FILE OUT                                   what to import or reconstruct; where to write'
	@echo '  TO                                         export: cxi or ptychodus'
	@echo '  JOB                                        export or reproduce: which, as dose_1000/dense/train'
	@echo '  OPTIONS                                    more options of import or export, as words'
	@echo '  HUB                                        add to this hub in place of a new one'
	@echo '  PUBLIC_KEY                                 verify that its owner signed every stage'
	@echo '  PYTHON                                     what builds the environments (3.11 or newer)'

$(LIGHT): requirements/light.txt requirements/environment.py pyproject.toml
	@"$$PYTHON" requirements/environment.py light

$(FULL): requirements/full.txt requirements/environment.py pyproject.toml
	@"$$PYTHON" requirements/environment.py full

.PHONY: env light-env
env: $(LIGHT) $(FULL) ## build both environments
light-env: $(LIGHT) ## build the light environment: all but real runs

.PHONY: inputs
inputs: $(LIGHT) ## make the study's scratch inputs under tmp/
	@$(HARNESS) prepare "--preset=$${PRESET:-default}" $${BASE:+"--base=$$BASE"}

.PHONY: red green collect dry-run real-run evidence
red: $(LIGHT) ## show that the mapped tests fail without what they guard
	$(NOX) red
green: $(LIGHT) ## show that the mapped tests and their suite pass
	$(NOX) green
collect: $(LIGHT) ## show that the tests are those the documents list
	$(NOX) collect
dry-run: $(LIGHT) ## plan and check the jobs, launch nothing
	$(NOX) dry_run
real-run: $(LIGHT) $(FULL) ## reconstruct, and leave the evidence in a hub
	$(NOX) real_run
evidence: $(LIGHT) $(FULL) ## all five stages in one hub
	$(NOX) red green collect dry_run real_run

.PHONY: import reconstruct export
import: $(LIGHT_FOR_FILE) ## turn a measured scan into an NPZ: make import FILE=PATH OUT=NPZ
	@test -n "$$FILE" && test -n "$$OUT" || \
	    { echo 'say what, and where to: make $@ FILE=PATH OUT=NPZ' >&2; exit 2; }
	@set -f; $(HARNESS) import "--out=$$OUT" $$OPTIONS -- "$$FILE"
reconstruct: $(LIGHT_FOR_FILE) $(FULL_FOR_FILE) ## reconstruct one NPZ into a hub: make reconstruct FILE=PATH
	@test -n "$$FILE" || { echo 'say which file: make $@ FILE=PATH' >&2; exit 2; }
	@.venv/bin/python -m harness reconstruct $${RECIPE:+"--recipe=$$RECIPE"} \
	    $${EPOCHS:+"--num-epochs=$$EPOCHS"} $${STOP:+"--stop=$$STOP"} \
	    $${INITIAL_OBJECT:+"--initial-object=$$INITIAL_OBJECT"} $${PROBE:+"--probe=$$PROBE"} \
	    $${HALVES:+"--halves=$$HALVES"} $${SEED:+"--seed=$$SEED"} \
	    $${DEVICE:+"--device=$$DEVICE"} -- "$$FILE"
export: $(LIGHT_FOR_HUB) ## write a job as CXI or ptychodus product: make export HUB=PATH TO=cxi OUT=PATH
	@test -n "$$HUB" && test -n "$$TO" && test -n "$$OUT" || \
	    { echo 'say which hub, as what, where to: make $@ HUB=PATH TO=cxi OUT=PATH' >&2; exit 2; }
	@set -f; $(HARNESS) export "--to=$$TO" "--out=$$OUT" $${JOB:+"--job=$$JOB"} $$OPTIONS -- "$$HUB"

.PHONY: test attack lint formats mutation selfcheck
test: $(LIGHT) ## run all tests, with coverage
	$(NOX) tests
attack: $(LIGHT) ## attack the example hub in every way; writes the threat model's table
	$(NOX) attack
lint: $(LIGHT) ## check style, format and imports
	$(NOX) lint
formats: $(LIGHT) ## check hubs with the public validators of their formats
	$(NOX) formats
mutation: $(LIGHT) ## try mutants of the pure core against its tests
	$(NOX) mutation
selfcheck: $(LIGHT) $(FULL) ## check reconstructions against known truths, repeating, options, devices
	$(NOX) selfcheck

.PHONY: hubs verify anchor reproduce blocked
hubs: $(LIGHT) ## list the hubs of all studies with their verdicts
	@$(HARNESS) hubs
verify: $(LIGHT_FOR_HUB) ## check a hub: make verify HUB=PATH
	$(NEEDS_HUB)
	@$(HARNESS) verify $${PUBLIC_KEY:+"--public-key=$$PUBLIC_KEY"} -- "$$HUB"
anchor: $(LIGHT_FOR_HUB) ## record a hub's head in git: make anchor HUB=PATH
	$(NEEDS_HUB)
	@$(HARNESS) anchor -- "$$HUB"
reproduce: $(LIGHT_FOR_HUB) $(FULL_FOR_HUB) ## run a hub's jobs again and compare: make reproduce HUB=PATH
	$(NEEDS_HUB)
	@.venv/bin/python -m harness reproduce $${JOB:+"--job=$$JOB"} -- "$$HUB"
blocked: $(LIGHT_FOR_HUB) ## note a failed hub in docs/fix_plan.md: make blocked HUB=PATH
	$(NEEDS_HUB)
	@$(HARNESS) blocked -- "$$HUB"

.PHONY: docs-sync
docs-sync: $(LIGHT) ## write the tables of the documents that follow from the tree
	@$(HARNESS) docs-sync

.PHONY: lock clean distclean
lock: ## write the lock files anew (needs uv; pins that still fit are kept)
	$(COMPILE) --group light -o requirements/light.txt >/dev/null
	$(COMPILE) --group build pyproject.toml -o requirements/full.txt >/dev/null
	$(COMPILE) --group formats -o requirements/formats.txt >/dev/null
	$(COMPILE) --group mutation -o requirements/mutation.txt >/dev/null
clean: ## remove scratch inputs and caches, never hubs
	@rm -rf tmp build dist .nox .coverage .coverage.* htmlcov
	@rm -rf .pytest_cache .hypothesis .ruff_cache .import_linter_cache
	@find harness tests bench requirements -name __pycache__ -type d -prune -exec rm -rf {} +
distclean: clean ## remove the environments too
	@rm -rf .venv-light .venv .venv-formats .venv-mutation
