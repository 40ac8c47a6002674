# Everything that is done here, each as one word. Every target sets up what it needs by itself.

.DEFAULT_GOAL := help
# Pages that were built and not packed are not done.
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
.PHONY: reference site test-tutorial check-reference check-site
.PHONY: help setup demo test test-slow test-failed test-wheel test-all test-examples check fix bench bench-large soak overload schema chaos cluster-test \
	check-deploy audit screenshots build lock clean \
	python pages pages-if-possible node-packages clients documents python-client validators peers audits examples \
	system-for-demo system-for-test \
	check-format check-lint check-types check-imports check-lock check-schema check-reference check-site \
	check-pages check-documents check-examples check-breaking

# Looked for only where the virtual environment has to be made; to choose: make setup PYTHON=/usr/bin/python3.12
PYTHON ?= $(shell scripts/find-python)
RUN := .venv/bin/python -m
# What is compiled is kept, whatever the environment says: tests start hundreds of processes, and each would compile anew.
unexport PYTHONDONTWRITEBYTECODE
# A mongod for each; the tests of one file stay together, for they share what is slow to make.
SIDE_BY_SIDE := -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
DRIVER ?= motor
# Without what the theme says of a MkDocs to come, which we do not take. Not --quiet: then nothing is a warning, and no
# warning an error.
SITE := NO_MKDOCS_2_WARNING=1 $(RUN) mkdocs build && $(RUN) scripts.check_site
CHAOS_RUNS ?= 50
SOAK_SECONDS ?= 1800
OVERLOAD_SECONDS ?= 600

NODE_FITS := scripts/find-node
PAGES := gql_server/static/index.html
NODE_PACKAGES := dashboard/node_modules/.package-lock.json
CLIENTS := tests/clients/node_modules/.package-lock.json
DOCUMENTS := tests/documents/node_modules/.package-lock.json
PYTHON_CLIENT := tests/documents/ariadne
VALIDATORS := tests/deploy
PEERS := benchmarks/peers/node_modules/.package-lock.json
AUDITS := tests/pages/node_modules/.package-lock.json
EXAMPLES := examples/node_modules/.package-lock.json
PAGE_SOURCES := $(shell find dashboard \( -name node_modules -o -path dashboard/src/gql \) -prune -o -print) schema.graphql

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Set up everything that tests need: Python and Node packages, pages; by apt-get Redis and Chromium
	@$(MAKE) -s -j8 python pages clients documents python-client peers audits examples system-for-test

demo: ## Set up, start the server with a demo campaign whose receipts keep arriving, print the address
	@$(MAKE) -s -j3 python system-for-demo pages-if-possible
	@exec $(RUN) gql_server demo

test: setup ## Set up, run most tests, in less than ten minutes; by the other driver: DRIVER=pymongo
	GQL_MONGO_DRIVER=$(DRIVER) $(RUN) pytest $(SIDE_BY_SIDE) -m "not long and not slow"

test-slow: setup ## Set up, run the tests of tests/slow.txt: half an hour
	GQL_MONGO_DRIVER=$(DRIVER) $(RUN) pytest $(SIDE_BY_SIDE) -m "slow and not long"

test-failed: setup ## Run those tests again that failed last time, one after the other
	GQL_MONGO_DRIVER=$(DRIVER) $(RUN) pytest --last-failed --last-failed-no-failures none -m "not long"

test-all: setup ## Set up, run all tests, those that take minutes (the benchmarks' smoke run) included, by both drivers
	GQL_MONGO_DRIVER=motor $(RUN) pytest $(SIDE_BY_SIDE)
	GQL_MONGO_DRIVER=pymongo $(RUN) pytest $(SIDE_BY_SIDE)

test-examples: python examples system-for-test ## Run the examples of clients, those that take minutes too, against a server that goes and comes back
	GQL_MONGO_DRIVER=$(DRIVER) $(RUN) pytest $(SIDE_BY_SIDE) tests/examples tests/examples_mobile

check: ## Format, lint, types, imports, locks, schema, documents, pages, examples, the site of the documentation; changes nothing
	@$(MAKE) -s -j3 python node-packages documents examples
	@$(MAKE) -k check-format check-lint check-types check-imports check-lock check-schema check-reference check-site \
		check-pages check-documents check-examples check-breaking

check-deploy: python validators ## What a server is deployed by, by the validators of those formats; by apt-get those of HAProxy, nginx, Prometheus
	@scripts/install-system-packages deploy || echo 'going on with those that are here' >&2
	@scripts/check-deploy

fix: python ## Format the code, and repair what the linter can
	$(RUN) ruff format .
	$(RUN) ruff check --fix .

bench: setup ## Run the benchmarks
	$(RUN) benchmarks

bench-large: setup ## What must not depend on a campaign's size, with 5 million messages
	$(RUN) benchmarks --only summary,depth,first --messages 5000000

soak: setup ## An ordinary day for SOAK_SECONDS=1800, and whether anything grows or slows down
	$(RUN) benchmarks --soak $(SOAK_SECONDS)

overload: setup ## Load the server to its most, and beyond, and look at its memory; OVERLOAD_SECONDS=600
	$(RUN) benchmarks --overload $(OVERLOAD_SECONDS)

screenshots: setup ## Pictures of the main pages, into .make/screenshots, and those of the README
	$(RUN) tests.dashboard.screenshots

schema: python ## Print the schema into schema.graphql
	@mkdir -p .make
	$(RUN) gql_server export-schema > .make/schema.graphql && mv .make/schema.graphql schema.graphql

reference: python ## Write docs/reference from the code
	$(RUN) scripts.reference

site: python ## Build the documentation as a site, into .make/site; fails where a link or an anchor is dead
	@$(SITE)

test-tutorial: setup ## Do what docs/tutorial.md says, block by block, as somebody who is new here would
	$(RUN) pytest -m long tests/test_tutorial.py

chaos: python system-for-demo ## Kill -9 server and mongod under load, CHAOS_RUNS=50 times; then let MongoDB's commands fail
	$(RUN) tests.chaos --kills $(CHAOS_RUNS) $(if $(CHAOS_SEED),--seed $(CHAOS_SEED))

cluster-test: python ## Kill, cut off, pause and restart the machines of a cluster under load (Linux; root, or users' namespaces)
	@scripts/install-system-packages cluster
	$(RUN) tests.cluster $(if $(CLUSTER_SEED),--seed $(CLUSTER_SEED))

audit: python ## Ask the registries for known advisories on what is locked, and look for secrets in what is committed
	@scripts/audit

build: ## Build a wheel, with the pages in it, into dist/
	@$(MAKE) -s -j2 python pages
	@test -f $(PAGES) || { echo 'A wheel holds the pages, and these need Node.js.' >&2; exit 1; }
	rm -rf dist
	$(RUN) hatchling build -t wheel
	$(RUN) scripts.check_wheel dist/*.whl

test-wheel: setup ## Build the wheel, install it in an empty environment without Node.js, and look what it serves
	$(RUN) pytest tests/test_wheel.py

lock: python ## Bring the requirements.lock of each pyproject.toml up to date; UPGRADE=--upgrade takes newer versions
	for folder in . $(PYTHON_CLIENT) $(VALIDATORS); do \
		$(RUN) uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
			--no-annotate --all-extras $(UPGRADE) $$folder/pyproject.toml -o $$folder/requirements.lock || exit; \
	done

clean: ## Remove all that was installed or built here; the data in .data stays
	rm -rf .venv .make dist dashboard/node_modules tests/clients/node_modules benchmarks/peers/node_modules \
		tests/documents/node_modules tests/pages/node_modules $(PYTHON_CLIENT)/.venv $(VALIDATORS)/.venv gql_server/static dashboard/src/gql \
		examples/node_modules examples/*/node_modules examples/*/dist examples/*/src/gql \
		.mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# What the targets above stand on. A file is made again when something that it is made of is newer.

python: .venv/.complete

.venv/.complete: requirements.lock pyproject.toml
	@scripts/quietly 'Python packages' scripts/install-python-packages '$(PYTHON)'

pages:
	@if $(NODE_FITS); then $(MAKE) -s $(PAGES); fi

# A demo is worth having without them.
pages-if-possible:
	@$(MAKE) -s pages || echo 'going on without the pages' >&2

node-packages:
	@if $(NODE_FITS); then $(MAKE) -s $(NODE_PACKAGES); fi

# GraphQL clients of others, which tests subscribe with.
clients:
	@if $(NODE_FITS) 'the clients from npm'; then $(MAKE) -s $(CLIENTS); fi

$(PAGES): $(NODE_PACKAGES) $(PAGE_SOURCES)
	@scripts/quietly 'pages' sh -ec 'cd dashboard && npm run -s build'

$(NODE_PACKAGES): dashboard/package.json dashboard/package-lock.json dashboard/.npmrc
	@scripts/quietly 'Node packages' sh -ec 'cd dashboard && npm ci && touch node_modules/.package-lock.json'

$(CLIENTS): tests/clients/package.json tests/clients/package-lock.json tests/clients/.npmrc
	@scripts/quietly 'GraphQL clients' sh -ec 'cd tests/clients && npm ci && touch node_modules/.package-lock.json'

# Compilers and linters of clients' documents, and of the schema.
documents:
	@if $(NODE_FITS) 'the tools for documents'; then $(MAKE) -s $(DOCUMENTS); fi

$(DOCUMENTS): tests/documents/package.json tests/documents/package-lock.json tests/documents/.npmrc
	@scripts/quietly 'tools for documents' \
		sh -ec 'cd tests/documents && npm ci && touch node_modules/.package-lock.json'

# A generator of Python clients, in an environment of its own: it needs graphql-core 3.2, and we 3.3.
python-client: $(PYTHON_CLIENT)/.venv/.complete

$(PYTHON_CLIENT)/.venv/.complete: .venv/.complete $(PYTHON_CLIENT)/requirements.lock
	@scripts/quietly 'generator of Python clients' sh -ec ' \
		.venv/bin/uv venv --clear --python .venv/bin/python $(PYTHON_CLIENT)/.venv; \
		.venv/bin/uv pip install --python $(PYTHON_CLIENT)/.venv/bin/python --require-hashes \
			-r $(PYTHON_CLIENT)/requirements.lock; \
		touch $(PYTHON_CLIENT)/.venv/.complete'

# What reads the files that a server is deployed by.
validators: $(VALIDATORS)/.venv/.complete

$(VALIDATORS)/.venv/.complete: .venv/.complete $(VALIDATORS)/requirements.lock
	@scripts/quietly 'validators' sh -ec ' \
		.venv/bin/uv venv --clear --python .venv/bin/python $(VALIDATORS)/.venv; \
		.venv/bin/uv pip install --python $(VALIDATORS)/.venv/bin/python --require-hashes \
			-r $(VALIDATORS)/requirements.lock; \
		touch $(VALIDATORS)/.venv/.complete'

# What the benchmarks measure us beside.
peers:
	@if $(NODE_FITS) 'the peers of the benchmarks'; then $(MAKE) -s $(PEERS); fi

$(PEERS): benchmarks/peers/package.json benchmarks/peers/package-lock.json benchmarks/peers/.npmrc
	@scripts/quietly 'peers of the benchmarks' \
		sh -ec 'cd benchmarks/peers && npm ci && touch node_modules/.package-lock.json'

# What looks at the pages: axe-core, Lighthouse.
audits:
	@if $(NODE_FITS) 'the audits of the pages'; then $(MAKE) -s $(AUDITS); fi

$(AUDITS): tests/pages/package.json tests/pages/package-lock.json tests/pages/.npmrc
	@scripts/quietly 'audits of the pages' \
		sh -ec 'cd tests/pages && npm ci && touch node_modules/.package-lock.json'

# Examples of clients, to copy from: one installation for all that are of Node.js.
examples:
	@if $(NODE_FITS) 'the examples of clients'; then $(MAKE) -s $(EXAMPLES); fi

$(EXAMPLES): examples/package.json $(wildcard examples/*/package.json) examples/package-lock.json examples/.npmrc
	@scripts/quietly 'examples of clients' sh -ec 'cd examples && npm ci && touch node_modules/.package-lock.json'

system-for-demo:
	@scripts/install-system-packages demo

system-for-test:
	@scripts/install-system-packages test

# The parts of `make check`: all are run, whatever the first ones say.

check-format:
	$(RUN) ruff format --check .

check-lint:
	$(RUN) ruff check .

check-types:
	$(RUN) mypy

check-imports:
	.venv/bin/lint-imports --no-logo

check-lock:
	$(RUN) scripts.check_lock

check-schema:
	$(RUN) gql_server export-schema | diff -u schema.graphql -

check-reference:
	$(RUN) scripts.reference --check

check-site:
	$(SITE)

check-pages:
	@if $(NODE_FITS); then echo 'npm run check' && cd dashboard && npm run -s check; fi

# What a linter of GraphQL says to the schema and to documents.
check-documents:
	@if $(NODE_FITS) 'the linter of documents'; then \
		tests/documents/node_modules/.bin/eslint --max-warnings 0 --config tests/documents/eslint.config.js \
			schema.graphql 'tests/documents/ariadne/*.graphql' 'examples/**/*.graphql'; fi

check-examples:
	@if $(NODE_FITS) 'the types of the examples'; then echo 'npm run check' && cd examples && npm run -s check; fi

check-breaking:
	@if $(NODE_FITS) 'the comparison with earlier schemas'; then $(RUN) scripts.check_breaking; fi
