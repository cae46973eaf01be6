# Both stages are Debian 12, so that the binary meets the C library that it was linked with.
FROM rust:1-bookworm AS build
WORKDIR /src
COPY scripts scripts
RUN scripts/install-build-tools.sh
# Dependencies are not built in a layer of their own: that takes stand-in sources, which break
# whenever the manifest learns of a new target. `.dockerignore` lets in only what the build reads,
# so that no other change costs a build.
COPY . .
RUN cargo build --release --locked

# The C library and nothing that could be run: no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/release/lb /usr/local/bin/lb
# By number, so that an orchestrator can see that it is not root.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/lb"]
# The file is mounted; flags in its place replace this, and then nothing answers the check below.
CMD ["-c", "/etc/lb/lb.yaml"]
# In this form, since there is no shell. Kubernetes does not look at it.
HEALTHCHECK --interval=5s --timeout=3s --retries=2 \
    CMD ["/usr/local/bin/lb", "health", "-c", "/etc/lb/lb.yaml"]
