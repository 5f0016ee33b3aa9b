# The three services of this project in one image; docker-compose.yml says which one runs.
FROM python:3.11.14-slim-bookworm AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY requirements/run.lock requirements/run.lock
RUN python -m venv /opt/wiltonos \
    && /opt/wiltonos/bin/pip install --require-hashes -r requirements/run.lock
COPY . .
RUN /opt/wiltonos/bin/pip install --no-build-isolation --no-deps .

FROM python:3.11.14-slim-bookworm
COPY --from=build /opt/wiltonos /opt/wiltonos
ENV PATH=/opt/wiltonos/bin:$PATH PYTHONDONTWRITEBYTECODE=1
WORKDIR /srv/wiltonos
# any user will do: nothing in the image is written to
USER 65532:65532
ENTRYPOINT ["wt"]
HEALTHCHECK NONE
