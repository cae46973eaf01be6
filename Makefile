# Two commands for a first look, `make demo` and `make test`; the others are for contributors.
#
# Both build with the same profile, so that the second one finds most dependencies built; a few are
# rebuilt, because the tests enable more of their features.

# rustup installs here, and a shell that was opened before does not have it in its path.
export PATH := $(PATH):$(HOME)/.cargo/bin

.DEFAULT_GOAL := help
.PHONY: help demo test loom check bench dist docs build-tools test-tools

help: ## Lists these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: build-tools ## Runs the balancer with three small backends; ARGS="…" are passed on
	@cargo run --locked -- demo $(ARGS)

test: test-tools ## Runs every test; ARGS="…" are passed on to cargo test
	@cargo test --locked $(ARGS)

loom: ## Tries every interleaving of the code that threads share without a lock
	@cargo test --locked --manifest-path tests/loom/Cargo.toml --target-dir target/loom

check: ## Runs all checks of CI
	@.ci/run

bench: build-tools ## Measures selection, one request, and load beside other proxies
	@cargo bench --locked $(ARGS)

docs: ## Builds the book of docs/ into target/book
	@command -v mdbook >/dev/null || { echo "mdbook is missing: cargo install mdbook --locked" >&2; exit 1; }
	@mdbook build docs

dist: build-tools ## Makes a tarball and a Debian package in target/dist
	@scripts/dist.sh

build-tools:
	@scripts/install-build-tools.sh

test-tools:
	@scripts/install-build-tools.sh test
