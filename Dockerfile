# Any image with Python 3.11 or newer and its venv module will do; both stages use the same one.
ARG BASE_IMAGE=docker.io/library/python:3.13-slim-bookworm

FROM ${BASE_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
# Dependencies first: this layer is made again only when a lock changes. pip stays out of what is shipped.
COPY requirements.lock requirements-build.lock ./
RUN python3 -m venv /opt/build \
 && python3 -m venv --without-pip /opt/cpe-manager \
 && /opt/build/bin/pip install --quiet --require-hashes -r requirements-build.lock \
 && /opt/build/bin/pip --python /opt/cpe-manager/bin/python install --quiet --require-hashes -r requirements.lock
COPY pyproject.toml README.md ./
COPY cpe_manager cpe_manager
COPY drivers drivers
COPY backups backups
COPY simulators simulators
COPY config config
RUN /opt/build/bin/hatchling build -t wheel -d /dist \
 && /opt/build/bin/pip --python /opt/cpe-manager/bin/python install --quiet --no-deps /dist/*.whl \
 && /opt/cpe-manager/bin/python -m compileall -q /opt/cpe-manager

FROM ${BASE_IMAGE}
# Fixed numbers, so that a volume's owner is known outside as well.
RUN groupadd --gid 10640 cpe-manager \
 && useradd --uid 10640 --gid 10640 --home-dir /var/lib/cpe-manager --shell /usr/sbin/nologin cpe-manager \
 && install -d -o 10640 -g 10640 -m 0700 /var/lib/cpe-manager
COPY --from=build /opt/cpe-manager /opt/cpe-manager
# The data directory also tells the command line, run in the container, where its address and token are.
ENV PATH=/opt/cpe-manager/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    CPE_MANAGER_DATA_DIR=/var/lib/cpe-manager
USER 10640:10640
VOLUME /var/lib/cpe-manager
WORKDIR /var/lib/cpe-manager
EXPOSE 8640
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 CMD ["python3", "-c", \
    "import urllib.request as r; r.urlopen('http://127.0.0.1:8640/healthz', timeout=4)"]
ENTRYPOINT ["cpe-manager"]
CMD ["serve", "--data-dir", "/var/lib/cpe-manager", "--host", "0.0.0.0", "--port", "8640"]
