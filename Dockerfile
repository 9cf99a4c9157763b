# One image for every edge and stage; docker-compose.yml says which process a container runs.

FROM python:3.11-slim-bookworm AS build
RUN python -m venv /opt/venv
COPY requirements/runtime.txt /build/runtime.txt
# Each package by its hash, as a wheel: nothing is compiled, so no build tools are needed.
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check \
        --require-hashes --only-binary :all: -r /build/runtime.txt \
    && /opt/venv/bin/pip uninstall --yes pip setuptools

FROM python:3.11-slim-bookworm
RUN groupadd --system --gid 10001 titan \
    && useradd --system --uid 10001 --gid titan --no-create-home --shell /usr/sbin/nologin titan \
    && install --directory --owner titan --group titan --mode 0700 /var/lib/titan
COPY --from=build /opt/venv /opt/venv
WORKDIR /opt/titan
COPY topics.yaml limits.yaml inbound.yaml chart_of_accounts.yaml sample_data.yaml ./
COPY migrations migrations
COPY requirements/kafka-jars.lock requirements/kafka-jars.lock
COPY domain domain
COPY schemas schemas
COPY ledger_adapter ledger_adapter
COPY runtime runtime
COPY projections projections
COPY consumers consumers
COPY producers producers
COPY proof proof
COPY replay replay
COPY titan titan
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TITAN_DATA_DIRECTORY=/var/lib/titan
# Compiled here, since the process may not write there.
RUN python -m compileall -q .
USER titan
CMD ["python", "-m", "titan", "--help"]
