# The image has the program, the libraries that it is linked with, certificates of authorities, and no other
# program: no shell, no package manager.
FROM rust:1-bookworm AS build
WORKDIR /src
COPY scripts scripts
RUN scripts/install-build-tools.sh
# Dependencies are not built in a layer of their own: that needs stand-in sources, which break
# whenever the manifest gets a new target. `.dockerignore` lets in only files that the build reads,
# so that other changes do not cause a build.
COPY . .
# What `lb --version` says; the repository's history is not let in.
ARG LB_COMMIT=unknown LB_DATE=unknown
RUN cargo build --release --locked --bin lb
RUN scripts/image-root.sh target/release/lb /image

FROM scratch
COPY --from=build /image /
LABEL org.opencontainers.image.title="lb" \
    org.opencontainers.image.description="HTTP load balancer on Pingora" \
    org.opencontainers.image.licenses="MIT"
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
