# `docker build .` compiles the relay; `--target prebuilt` copies target/release/rowpost instead.

FROM debian:bookworm-slim AS runtime
# libssl3: librdkafka's TLS. ca-certificates: the authorities that TLS to MySQL and Kafka is checked
# against when the configuration names none.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libssl3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --no-create-home rowpost
USER rowpost
EXPOSE 9187
ENTRYPOINT ["rowpost"]
CMD ["run"]

FROM runtime AS prebuilt
COPY target/release/rowpost /usr/local/bin/rowpost

FROM rust:1-bookworm AS build
WORKDIR /build
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked -p rowpost \
    && cp target/release/rowpost /usr/local/bin/rowpost

FROM runtime AS relay
COPY --from=build /usr/local/bin/rowpost /usr/local/bin/rowpost
