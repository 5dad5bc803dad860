# Aira in a container, everything pinned: the base image by date and version, Debian's packages by snapshot, npm packages by
# package-lock.json, Python packages by requirements/*.txt with hashes.
#
#   docker build -t aira .                                   CPU: Debian's torch
#   docker build -t aira --build-arg PYTHON=venv .           torch with CUDA from the locks (docker run --gpus all)
#   docker run --rm -v "$PWD/lab:/lab" aira launch quickstart --home /lab
#
# To pin the image by content as well: --build-arg NODE_IMAGE=node:20.20.2-bookworm-slim@sha256:...
ARG NODE_IMAGE=node:20.20.2-bookworm-slim

# 1. The package, from sources.
FROM ${NODE_IMAGE} AS package
ARG SNAPSHOT=20261101T000000Z
RUN printf 'deb [check-valid-until=no] http://snapshot.debian.org/archive/debian/%s bookworm main\n' "$SNAPSHOT" > /etc/apt/sources.list \
 && rm -f /etc/apt/sources.list.d/* \
 && apt-get update && apt-get install --yes --no-install-recommends git g++ make python3 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --include=dev
COPY . .
RUN npm pack --pack-destination /tmp && npm prune --omit=dev

# 2. What runs: the package with its npm packages, nats-server, Python, the compiled engine.
FROM ${NODE_IMAGE}
ARG SNAPSHOT=20261101T000000Z
ARG PYTHON=debian
RUN printf 'deb [check-valid-until=no] http://snapshot.debian.org/archive/debian/%s bookworm main\n' "$SNAPSHOT" > /etc/apt/sources.list \
 && rm -f /etc/apt/sources.list.d/* \
 && apt-get update && apt-get install --yes --no-install-recommends g++ make nats-server bubblewrap python3 python3-venv \
 && if [ "$PYTHON" = debian ]; then apt-get install --yes --no-install-recommends \
      python3-torch python3-numpy python3-sklearn python3-yaml libopenblas0-pthread; fi \
 && rm -rf /var/lib/apt/lists/*
COPY --from=package /tmp/aira-*.tgz /tmp/
COPY --from=package /build/node_modules /opt/aira/node_modules
RUN tar --extract --gzip --file /tmp/aira-*.tgz --directory /opt/aira --strip-components=1 && rm /tmp/aira-*.tgz \
 && chmod +x /opt/aira/dist/cli/main.js && ln -s /opt/aira/dist/cli/main.js /usr/local/bin/aira \
 && mkdir /lab && chown node:node /lab
# The engine is compiled for the processor of the build into a cache that all users read; on another one it is compiled again.
ENV XDG_DATA_HOME=/opt/data XDG_CACHE_HOME=/opt/cache
RUN mkdir -p /opt/cache /opt/data && aira setup --python "$PYTHON" && chown -R node:node /opt/cache /opt/data
USER node
WORKDIR /lab
ENTRYPOINT ["aira"]
CMD ["--help"]
