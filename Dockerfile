# One image with the relay and the services of the shop. `docker build .` compiles them; `--target
# staged` copies what lies in target/staged, as `cargo xtask test` does with what it has just tested.

FROM debian:bookworm-slim AS runtime
# libssl3: librdkafka's TLS. ca-certificates: the authorities that TLS to MySQL and Kafka is checked
# against when the configuration names none.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libssl3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --no-create-home rowpost
USER rowpost
EXPOSE 9187
CMD ["rowpost", "run"]

FROM runtime AS staged
COPY target/staged/ /usr/local/bin/

FROM rust:1-bookworm AS build
WORKDIR /build
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --package rowpost --package 'shop-*' \
    && mkdir staged \
    && cp target/release/rowpost target/release/shop-order target/release/shop-inventory \
        target/release/shop-payment target/release/shop-gateway staged/

FROM runtime AS compiled
COPY --from=build /build/staged/ /usr/local/bin/
