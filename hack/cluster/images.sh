#!/bin/bash
# images.sh — builds the product's images, pushes them into the cluster's registry, and writes what `make deploy-using-yaml` needs to use
# them into $CLUSTER_DIR/images: CONTROLLER_IMAGE_REPO, WEBHOOK_SERVER_IMAGE_REPO, CRI_CLIENT_IMAGE_REPO, OPERATOR_IMAGE_REPO,
# BUSYBOX_IMAGE_REPO, RELEASE_VERSION. The version ends in a hash of the content, so that a changed program is a changed Deployment.
. "$(dirname "$0")/lib/settings.sh"
load_cluster
cd "$REPO"
PATH=$REPO/hack/bin:$REPO/node_modules/.bin:$CALLER_PATH:/usr/sbin:/usr/bin:/sbin:/bin
node hack/build.ts
hash=$({ cat dist/program/main.js dist/program/chunks/*.js Dockerfile hack/images/*.sh package-lock.json hack/cluster/tools/helm/go.*
  find charts -type f -print0 | sort -z | xargs -0 cat; } | sha256sum | cut -c1-12)
export CONTROLLER_IMAGE_REPO=registry.test.local/kubefledged-controller WEBHOOK_SERVER_IMAGE_REPO=registry.test.local/kubefledged-webhook-server
export BUSYBOX_IMAGE_REPO=registry.test.local/kubefledged-busybox
export CRI_CLIENT_IMAGE_REPO=registry.test.local/kubefledged-cri-client OPERATOR_IMAGE_REPO=registry.test.local/kubefledged-operator
RELEASE_VERSION=v$(node -p 'require("./package.json").version')-$hash
export RELEASE_VERSION
hack/images/build.sh
REGISTRY=127.0.0.1:$REG_PORT INSECURE=1 hack/images/push.sh
printf '%s\n' "CONTROLLER_IMAGE_REPO=$CONTROLLER_IMAGE_REPO" "WEBHOOK_SERVER_IMAGE_REPO=$WEBHOOK_SERVER_IMAGE_REPO" \
  "CRI_CLIENT_IMAGE_REPO=$CRI_CLIENT_IMAGE_REPO" "OPERATOR_IMAGE_REPO=$OPERATOR_IMAGE_REPO" \
  "BUSYBOX_IMAGE_REPO=$BUSYBOX_IMAGE_REPO" "RELEASE_VERSION=$RELEASE_VERSION" >"$D/images"
