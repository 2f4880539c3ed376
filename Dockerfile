# The images of kube-fledged.
# `make images` prepares dist/image/ and builds them, with Docker's buildx or with buildah.
#   controller      Node.js and the bundled program. No shell, user 65532.
#   cri-client      The same layers, user 0: that user owns the sockets of container runtimes.
#   webhook-server  The same layers, with the entry point of the webhook server.
#   operator        The same layers, helm, and the chart that the operator installs.
#   busybox         One static binary. The controller injects it into Pods that pull images.
ARG BASE_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${BASE_IMAGE} AS node
ARG TARGETARCH
COPY dist/image/node-${TARGETARCH} /usr/local/bin/node

FROM node AS controller
COPY dist/image/opt /opt
ENV NODE_ENV=production
USER 65532:65532
ENTRYPOINT ["/opt/bin/kubefledged-controller"]
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title=kubefledged-controller org.opencontainers.image.licenses=Apache-2.0 \
  org.opencontainers.image.version=${VERSION} org.opencontainers.image.revision=${REVISION}

FROM controller AS webhook-server
ENTRYPOINT ["/opt/bin/kubefledged-webhook-server"]
LABEL org.opencontainers.image.title=kubefledged-webhook-server

# The container needs no capability, because the owner of the socket may write to it.
FROM controller AS cri-client
USER 0:0
ENTRYPOINT ["/opt/bin/kubefledged-cri-client"]
LABEL org.opencontainers.image.title=kubefledged-cri-client

FROM controller AS operator
ARG TARGETARCH
COPY dist/image/helm-${TARGETARCH} /usr/local/bin/helm
COPY dist/image/charts /opt/charts
ENTRYPOINT ["/opt/bin/kubefledged-operator"]
LABEL org.opencontainers.image.title=kubefledged-operator

FROM scratch AS busybox
ARG TARGETARCH
COPY dist/image/busybox-${TARGETARCH} /
USER 65532:65532
ENTRYPOINT ["/bin/busybox"]
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title=kubefledged-busybox org.opencontainers.image.licenses=GPL-2.0-only \
  org.opencontainers.image.version=${VERSION} org.opencontainers.image.revision=${REVISION}
