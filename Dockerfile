# Both stages are Debian 12, so that the binary finds the C library that it was linked with.
FROM rust:1-bookworm AS build
WORKDIR /src
COPY scripts scripts
RUN scripts/install-build-tools.sh
# Dependencies are not built in a layer of their own: that needs stand-in sources, which break
# whenever the manifest gets a new target. `.dockerignore` lets in only files that the build reads,
# so that other changes do not cause a build.
COPY . .
RUN cargo build --release --locked

# The image has the C library and no other program: no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/release/lb /usr/local/bin/lb
# By number, so that an orchestrator can see that it is not root.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/lb"]
# The file is mounted. Flags in its place replace this, and then the health check has no process to
# find.
CMD ["-c", "/etc/lb/lb.yaml"]
# The exec form is needed, because there is no shell. Kubernetes ignores this check.
HEALTHCHECK --interval=5s --timeout=3s --retries=2 \
    CMD ["/usr/local/bin/lb", "health", "-c", "/etc/lb/lb.yaml"]
