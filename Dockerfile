# One image for every part: standings serve, standings ingest, standings refit, ...; docs/deploy.md says how to run it.
# The Python that the tests run on. It is pinned by name here; whoever builds for others pins the digest behind it.
FROM python:3.11.14-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
RUN python -m venv /opt/standings

# Before the code, so that a change of code fetches nothing.
COPY requirements.lock ./
RUN /opt/standings/bin/pip install --require-hashes --only-binary=:all: -r requirements.lock

COPY pyproject.toml ./
COPY service service
COPY consumers consumers
COPY standings standings
COPY deploy/warm.py ./
# Compiled here, once, for every processor of this architecture: Numba keys what it keeps by the processor's name, and
# with the builder's own each other model would compile all of it again at its first match. Elo loses nothing by it.
RUN /opt/standings/bin/pip install --no-deps --no-build-isolation . \
    && NUMBA_CPU_NAME=generic NUMBA_CACHE_DIR=/opt/standings/numba /opt/standings/bin/python warm.py \
    && /opt/standings/bin/pip uninstall --yes setuptools pip

FROM python:3.11.14-slim-bookworm

COPY --from=build /opt/standings /opt/standings
COPY --chmod=755 deploy/standings.sh /usr/local/bin/standings
COPY deploy/healthcheck.py deploy/scaled_in.py /opt/standings/

ENV NUMBA_CPU_NAME=generic NUMBA_CACHE_DIR=/tmp/numba
# By number: Kubernetes checks runAsNonRoot by it.
USER 10001:10001
EXPOSE 8000 8001 8002
# Alive, not ready: what waits for Kafka or Redis is not mended by a restart. The ports are those of serve, ingest and refit.
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s --retries=3 \
    CMD ["/opt/standings/bin/python", "/opt/standings/healthcheck.py", "8000", "8001", "8002"]
ENTRYPOINT ["standings"]
CMD ["--help"]
