# gql-server, small and without root: it needs a MongoDB replica set (GQL_MONGODB_URL), and writes to /tmp alone.
#   docker build -t gql-server .
#   docker run --rm --read-only -v /tmp -p 8000:8000 -e GQL_MONGODB_URL=mongodb://... gql-server

FROM node:22-slim AS pages
WORKDIR /src/dashboard
COPY dashboard/package.json dashboard/package-lock.json dashboard/.npmrc ./
RUN npm ci
COPY schema.graphql /src/
COPY dashboard ./
RUN npm run build

FROM python:3.12-slim AS wheel
WORKDIR /src
COPY requirements.lock pyproject.toml README.md LICENSE ./
# The versions that were tried, as constraints: the lock itself holds what developers need, too.
RUN sed -n 's/^\([A-Za-z0-9._-]*==[^ ]*\).*/\1/p' requirements.lock > constraints.txt \
    && python -m venv /opt/build && /opt/build/bin/pip install --no-cache-dir -c constraints.txt hatchling editables
COPY gql_server gql_server
COPY resolvers resolvers
COPY --from=pages /src/gql_server/static gql_server/static
RUN /opt/build/bin/hatchling build -t wheel \
    && python -m venv /opt/gql-server \
    && wheel="$(ls dist/*.whl)" \
    && /opt/gql-server/bin/pip install --no-cache-dir -c constraints.txt "${wheel}[redis,otel]"

FROM python:3.12-slim
COPY --from=wheel /opt/gql-server /opt/gql-server
ENV PATH=/opt/gql-server/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    GQL_HOST=0.0.0.0 \
    GQL_LOG_FORMAT=json \
    GQL_DATA_DIR=/tmp/gql-server
USER 65532:65532
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health/ready', timeout=2)"]
ENTRYPOINT ["gql-server"]
CMD ["serve"]
