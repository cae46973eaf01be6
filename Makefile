# Two commands for a newcomer, `make demo` and `make test`; the rest is for whoever stays.
#
# Both build with the same profile, so that the second one finds most dependencies built; a few are
# built anew, because the tests switch on more of their features.

# rustup installs here, and a shell opened before that does not know.
export PATH := $(PATH):$(HOME)/.cargo/bin

.DEFAULT_GOAL := help
.PHONY: help demo test loom check bench build-tools test-tools

help: ## Lists these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: build-tools ## Runs the balancer with three small backends; ARGS="…" are passed on
	@cargo run --locked -- demo $(ARGS)

test: test-tools ## Runs every test; ARGS="…" are passed on to cargo test
	@cargo test --locked $(ARGS)

loom: ## Tries every interleaving of the code that threads share without a lock
	@cargo test --locked --manifest-path tests/loom/Cargo.toml --target-dir target/loom

check: ## Does what CI does
	@.ci/run

bench: build-tools ## Measures selection, one request, and load beside other proxies
	@cargo bench --locked $(ARGS)

build-tools:
	@scripts/install-build-tools.sh

test-tools:
	@scripts/install-build-tools.sh test
