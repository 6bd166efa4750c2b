# syntax=docker/dockerfile:1
# The image of the service: the locked dependencies, the application, no compiler, no shell user, nothing to write but the spool of batches.
#
#   docker build --tag jari-netral .
#   docker run --rm --publish 127.0.0.1:8080:8080 --env JARI_ALLOW_OPEN=true --read-only --tmpfs /tmp --cap-drop ALL jari-netral
#
# It asks for JARI_API_KEYS, or to be told that none are wanted, because in a container it listens on every address.
#
# Where builds must be reproducible to the byte, give PYTHON_IMAGE with its digest: --build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:...
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
# The application's wheel; the lock of the build backend keeps this step as fixed as the rest.
COPY requirements-build.txt ./
RUN pip install --require-hashes --requirement requirements-build.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY gestures gestures
COPY app app
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .

# The environment that runs: the dependencies in a layer of their own, so that a change of the application does not fetch them again.
FROM ${PYTHON_IMAGE} AS environment
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/jari
COPY requirements.txt ./
RUN /opt/jari/bin/pip install --require-hashes --requirement requirements.txt
COPY --from=builder /wheels /wheels
RUN /opt/jari/bin/pip install --no-deps /wheels/*.whl

FROM ${PYTHON_IMAGE}
# libgl1 and libglib2.0-0: what opencv-python links.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin jari \
    && install --directory --owner jari --mode 700 /var/lib/jari
COPY --from=environment /opt/jari /opt/jari
# MALLOC_MMAP_THRESHOLD_: so that a photo's memory goes back to the system when it is freed (docs/operations.md, "Sizing").
ENV PATH=/opt/jari/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp JARI_SPOOL=/var/lib/jari MALLOC_MMAP_THRESHOLD_=1048576
USER jari
WORKDIR /tmp
# The hand model must be the one that every stated figure was measured with, and OpenCV must find its libraries.
RUN python -c "import cv2; from gestures.hands.bundle import load_bundle; print(load_bundle().path)"
EXPOSE 8080
# Not by urllib, which would ask the proxy that a container's environment may name. 503: busy, not down.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import http.client, os; port = int(os.environ.get('JARI_PORT') or 8080); service = http.client.HTTPConnection('127.0.0.1', port, timeout=4); service.request('GET', '/healthz'); exit(service.getresponse().status not in (200, 503))"]
CMD ["jari", "serve", "--host", "0.0.0.0"]
