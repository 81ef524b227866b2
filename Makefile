# The README's two commands: `make demo` and `make test`. Everything else is for those who change distctl.
.PHONY: demo demo-down setup test unit lint nightly bench pictures clean

demo:
	@scripts/setup
	@scripts/demo up

demo-down:
	@scripts/setup
	@scripts/demo down

setup:
	@scripts/setup dev

lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

test: setup
	.venv/bin/python -m pytest -m "not nightly" -n 2 --dist loadfile

unit: setup
	.venv/bin/python -m pytest tests/unit

nightly:
	@scripts/setup nightly
	.venv/bin/python -m pytest -m nightly

bench: setup
	.venv/bin/python -m benchmarks

pictures: setup
	.venv/bin/python scripts/pictures.py

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
