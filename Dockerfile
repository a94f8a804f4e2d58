# Tributary in a container: `docker build -t tributary .`
FROM rust:1.95-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends cmake g++ make perl pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The cache of the build stays out of the image, and the next build finds it.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --profile dist --locked \
    && cp target/dist/tributary /usr/local/bin/tributary

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --create-home --home-dir /var/lib/tributary tributary
COPY --from=build /usr/local/bin/tributary /usr/local/bin/tributary
COPY --chown=tributary configs /etc/tributary
USER tributary
# Embedded mode keeps its broker and its objects here, under ./data.
WORKDIR /var/lib/tributary
VOLUME /var/lib/tributary
EXPOSE 8080 8083
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD curl -fsS http://127.0.0.1:8083/health || exit 1
ENTRYPOINT ["tributary"]
CMD ["/etc/tributary/worker.properties"]
