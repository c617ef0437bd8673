# Builds the binary in one stage and ships it alone in another. The dependencies have a layer of their own, which lasts
# until Cargo.lock changes.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
RUN mkdir src benches && echo 'fn main() {}' > src/main.rs && touch src/lib.rs \
    && for bench in $(sed -n '/^\[\[bench\]\]/,/^name/s/^name = "\(.*\)"/\1/p' Cargo.toml); do touch benches/$bench.rs; done \
    && cargo build --release --locked && rm -r src
COPY config config
COPY src src
RUN touch src/main.rs src/lib.rs && cargo build --release --locked && strip target/release/openoutcry

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --user-group --no-create-home openoutcry \
    && install --directory --owner openoutcry --group openoutcry /data
COPY --from=build /src/target/release/openoutcry /usr/local/bin/openoutcry
USER 10001:10001
WORKDIR /
# In a container every interface is the container's own: who may reach the port is said by `docker run -p`.
ENV OPENOUTCRY_LISTEN=0.0.0.0:8080 OPENOUTCRY_AUTH__MODE=open OPENOUTCRY_DATA_DIR=/data OPENOUTCRY_LOG__FORMAT=json
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["openoutcry", "health"]
ENTRYPOINT ["openoutcry"]
CMD ["serve"]
