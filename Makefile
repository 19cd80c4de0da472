# The course's commands. `make` alone lists them; each works on a fresh clone.

SHELL := /bin/sh
.DEFAULT_GOAL := help
VENV := .venv
# On Windows' own Python the folder is called Scripts; README.md has the lines for that system.
IN_VENV := $(VENV)/bin/python
# The first of these that is Python 3.11 or newer makes the environment. PYTHON=... chooses one.
PYTHONS := $(or $(PYTHON),python3 python3.11 python3.12 python3.13 python3.14 python)
TORCH := $(shell sed -n 's/^torch==/torch==/p' constraints.txt)
# tests/work_units.py says what a worker runs in one go, and in which order.
WORKERS := -n auto --maxprocesses 4 --dist loadgroup --no-loadscope-reorder

# Modules that are compiled once and kept make every command and most tests start faster. Images of containers
# often turn that off for their own sake.
unexport PYTHONDONTWRITEBYTECODE

# A stamp says for which folder the environment was made and by which versions. It does not count
# when the folder was moved or its Python is gone.
LEARNER := $(VENV)/.made-for-learners
EVERYONE := $(VENV)/.made-for-everyone
ifneq ($(shell cat $(VENV)/.made-in 2>/dev/null && $(IN_VENV) -c "" 2>/dev/null && echo works),$(CURDIR) works)
$(shell rm -f $(LEARNER) $(EVERYONE))
endif

.PHONY: help
help:  ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | awk -F'|' '{printf "make %-16s %s\n", $$1, $$2}'

.PHONY: learn
learn: $(LEARNER)  ## learner: prepare the environment and open the course in JupyterLab
	@$(IN_VENV) -m course_lib lab

.PHONY: status
status: $(LEARNER)  ## learner: show which checks you have passed
	@$(IN_VENV) -m course_lib status

.PHONY: doctor
doctor: $(LEARNER)  ## learner: report what works on this machine, and what to do otherwise
	@$(IN_VENV) -m course_lib doctor

.PHONY: setup
setup: $(EVERYONE)  ## everyone: prepare the environment alone, with all that grading and tests need

.PHONY: test
test: $(EVERYONE)  ## everyone: prepare the environment and run all tests (PART=1/2: half of them)
	$(IN_VENV) -m pytest $(WORKERS) --remember $(if $(PART),--part $(PART)) tests

.PHONY: faults
faults: $(EVERYONE)  ## maintainer: put mistakes into a copy, one by one; the tests have to notice
	$(IN_VENV) -m tests.seeded_faults

.PHONY: nbval
nbval: $(EVERYONE)  ## maintainer: replay all solved notebooks strictly, two at a time or more
	$(IN_VENV) -m pytest -n auto --maxprocesses 4 --dist loadscope --nbval \
	    --nbval-sanitize-with tests/notebooks/nbval_sanitize.cfg grading/source

.PHONY: nbval-noise
nbval-noise: $(EVERYONE)  ## maintainer: the same with noise on matrix products (SEED=2): what would differ elsewhere
	$(IN_VENV) -m pytest -n auto --maxprocesses 4 --dist loadscope --nbval \
	    --nbval-sanitize-with tests/notebooks/nbval_sanitize.cfg \
	    -p tests.everywhere.noisy_replay --noise-seed $(or $(SEED),1) grading/source

.PHONY: nbval-everywhere
nbval-everywhere: $(EVERYONE)  ## maintainer: replay on all kinds of kernels, Pythons and PyTorchs (makes environments in .cache)
	$(IN_VENV) -m tests.everywhere.replay

.PHONY: marks-everywhere
marks-everywhere: $(EVERYONE)  ## maintainer: judge all known solutions with new secrets (SECRETS=30)
	$(IN_VENV) -m tests.everywhere.verdicts --secrets $(or $(SECRETS),30)

.PHONY: lint
lint: $(EVERYONE)  ## maintainer: ruff's rules and format, and the arrows between folders
	$(IN_VENV) -m ruff check .
	$(IN_VENV) -m ruff format --check .
	PYTHONPATH=. $(VENV)/bin/lint-imports --no-logo

.PHONY: build
build: $(EVERYONE)  ## author: make the notebooks, solved and released, from grading/chapters
	$(IN_VENV) -m grading build
	$(IN_VENV) -m grading release

.PHONY: demo
demo: $(EVERYONE)  ## instructor: grade the sample class that ships with the repository
	@$(IN_VENV) -m grading demo

.PHONY: bench
bench: $(EVERYONE)  ## maintainer: how fast the panels are, beside ipywidgets.interact
	PYTHONPATH=. $(IN_VENV) benchmarks/panels.py

.PHONY: bench-table
bench-table: $(EVERYONE)  ## maintainer: all figures with their goals, into the handbook (BESIDE=../older-checkout)
	$(IN_VENV) -m benchmarks.table --write $(if $(BESIDE),--beside $(BESIDE)) --learners $(or $(LEARNERS),300)

.PHONY: bench-marks
bench-marks: $(EVERYONE)  ## maintainer: are marks the same with every cell run and without demonstrations?
	$(IN_VENV) -m benchmarks.same_marks --learners $(or $(LEARNERS),300)

.PHONY: bench-grading
bench-grading: $(EVERYONE)  ## maintainer: how fast a class is graded, beside nbgrader autograde, into the handbook (LEARNERS=40)
	$(IN_VENV) -m benchmarks.grading --write --learners $(or $(LEARNERS),40)

.PHONY: bench-judging
bench-judging: $(EVERYONE)  ## maintainer: what checks and judging take (BESIDE=../older-checkout)
	$(IN_VENV) -m benchmarks.judging $(if $(BESIDE),--beside $(BESIDE))

.PHONY: bench-watching
bench-watching: $(EVERYONE)  ## maintainer: how soon after hand-in a page is there (LEARNERS=40)
	$(IN_VENV) -m benchmarks.watching --learners $(or $(LEARNERS),40)

.PHONY: test-colab
test-colab: $(EVERYONE)  ## maintainer: all notebooks on Colab's versions (makes environments in .cache)
	COURSE_COLAB=1 $(IN_VENV) -m pytest tests/compatibility
	COURSE_COLAB=1 COURSE_COLAB_RUNTIME=2026.07 $(IN_VENV) -m pytest tests/compatibility/test_colab.py

.PHONY: test-oldest
test-oldest: $(EVERYONE)  ## maintainer: the tests on the oldest versions (makes .cache/oldest-venv)
	COURSE_OLDEST=1 $(IN_VENV) -m pytest tests/compatibility/test_oldest.py

.PHONY: site
site: $(EVERYONE)  ## maintainer: the course as static pages, in site/
	$(IN_VENV) docs/site/build.py

.PHONY: pictures
pictures: $(EVERYONE)  ## maintainer: make the pictures of README.md again
	PYTHONPATH=. $(IN_VENV) docs/images/render.py

.PHONY: clean
clean:  ## everyone: remove the environment and what tests leave; your notebooks stay
	rm -rf $(VENV) .pytest_cache .ruff_cache .import_linter_cache build dist screenshots site *.egg-info

$(LEARNER): pyproject.toml constraints.txt
	@$(MAKE) --no-print-directory install EXTRAS=lab,review
	@touch $(LEARNER)

# The last line lets `python -m grading` and the kernels of nbgrader's commands start in any folder.
$(EVERYONE): pyproject.toml constraints.txt
	@$(MAKE) --no-print-directory install EXTRAS=lab,review,grading,hub,site,test
	@$(IN_VENV) -c 'import os, sysconfig; from pathlib import Path; Path(sysconfig.get_path("purelib"), "course-repository.pth").write_text("import sys; sys.path.append(" + ascii(os.getcwd()) + ")\n")'
	@touch $(LEARNER) $(EVERYONE)

# PyTorch comes first and on a line of its own: it is most of the download, and where another build
# is wanted (CUDA, CPU only) it can be installed beforehand by hand. Compiled is what kernels and JupyterLab
# import, a small part of what is installed; whatever else is needed compiles itself when it is first imported.
# What cannot be imported is not said here: `make doctor` says it in words.
.PHONY: install
install:
	@command -v git >/dev/null || { echo "git is missing. Debian or Ubuntu: sudo apt install git" >&2; exit 1; }
	@python=; for name in $(PYTHONS); do \
	    if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$name; break; fi; \
	done; \
	test -n "$$python" || { echo "Python 3.11 or newer is missing. Debian or Ubuntu: sudo apt install python3 python3-venv (older releases: python3.11 python3.11-venv)" >&2; exit 1; }; \
	$$python -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv is missing. Debian or Ubuntu: sudo apt install python3-venv" >&2; exit 1; }; \
	$(IN_VENV) -m pip --version >/dev/null 2>&1 || { echo "Making $(VENV) with $$($$python --version)"; $$python -m venv --clear $(VENV); }
	@echo "Installing PyTorch ($(TORCH)); the first time this takes some minutes"
	@$(IN_VENV) -m pip install --no-compile --disable-pip-version-check $(TORCH) -c constraints.txt
	@echo "Installing the course and what it needs ($(EXTRAS))"
	@$(IN_VENV) -m pip install --no-compile --quiet --disable-pip-version-check -c constraints.txt -e ".[$(EXTRAS)]"
	@$(IN_VENV) -W ignore -c "import torch, matplotlib.pyplot, ipywidgets, ipykernel.kernelapp, jupyterlab.labapp" 2>/dev/null || true
	@printf '%s\n' "$(CURDIR)" > $(VENV)/.made-in
