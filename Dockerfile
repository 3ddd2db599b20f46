# Two images from one file:
#   docker build --target enricher -t enricher:0.1.0 .
#   docker build --target backend  -t backend:0.1.0  .

FROM python:3.13-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
# The build stage's pip installs into the environment; the environment has none of its own to take along.
RUN python -m venv --without-pip /venv
# What is needed comes before the code, in layers of its own: it changes less often. Only what `make lock` has seen gets
# in: a file with another hash, or one that is not listed, is refused.
COPY requirements requirements

FROM build AS build-enricher
RUN python -m pip --python /venv/bin/python install --require-hashes -r requirements/enricher.txt
# setuptools goes into the build stage's own Python: an isolated build would fetch one that nobody pinned.
RUN python -m pip install --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY enricher enricher
RUN python -m pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
  && python -m pip --python /venv/bin/python install --no-deps --no-index /wheels/*.whl

FROM build AS build-backend
RUN python -m pip --python /venv/bin/python install --require-hashes -r requirements/backend.txt

FROM python:3.13-slim AS base
# Nothing is installed in a running container; what could do it goes.
RUN rm -rf /usr/local/lib/python3*/site-packages/pip* /usr/local/lib/python3*/ensurepip /usr/local/bin/pip*
# In the cluster the root file system is read-only: no place for new .pyc files, and pip has compiled them already.
# PYTHONUNBUFFERED stays unset: it would turn stdout into one system call per write.
ENV PYTHONDONTWRITEBYTECODE=1 PATH=/venv/bin:$PATH

FROM base AS backend
COPY --from=build-backend /venv /venv
COPY backend /app/backend
WORKDIR /app
USER 65532:65532
EXPOSE 10000
ENTRYPOINT ["python", "-m", "backend"]

FROM base AS enricher
COPY --from=build-enricher /venv /venv
# A container's log belongs to root:root with mode 0640 (containerd, Docker), in directories that root's group may
# enter: reading takes group 0, not user 0. Where a runtime writes 0600, run as user 0 with all capabilities dropped,
# which then is merely the owner of those files (see deploy/daemonset.yaml).
USER 65532:0
EXPOSE 9464
ENTRYPOINT ["enricher"]
CMD ["run"]
