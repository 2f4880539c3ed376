# shellcheck shell=bash
# settings.sh — names of the images. Sourced by the scripts of this folder; callers override by environment.
set -euo pipefail
REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/kubefledged
CONTROLLER_IMAGE_REPO=${CONTROLLER_IMAGE_REPO:-ghcr.io/kubefledged/kubefledged-controller}
CRI_CLIENT_IMAGE_REPO=${CRI_CLIENT_IMAGE_REPO:-ghcr.io/kubefledged/kubefledged-cri-client}
WEBHOOK_SERVER_IMAGE_REPO=${WEBHOOK_SERVER_IMAGE_REPO:-ghcr.io/kubefledged/kubefledged-webhook-server}
OPERATOR_IMAGE_REPO=${OPERATOR_IMAGE_REPO:-ghcr.io/kubefledged/kubefledged-operator}
BUSYBOX_IMAGE_REPO=${BUSYBOX_IMAGE_REPO:-ghcr.io/kubefledged/kubefledged-busybox}
RELEASE_VERSION=${RELEASE_VERSION:-v$(node -p "require('$REPO/package.json').version")}

die() { echo "$*" >&2; exit 1; }

# IMAGES: TARGET=REFERENCE, one per target of the Dockerfile
IMAGES=("controller=$CONTROLLER_IMAGE_REPO:$RELEASE_VERSION" "webhook-server=$WEBHOOK_SERVER_IMAGE_REPO:$RELEASE_VERSION"
  "cri-client=$CRI_CLIENT_IMAGE_REPO:$RELEASE_VERSION" "operator=$OPERATOR_IMAGE_REPO:$RELEASE_VERSION"
  "busybox=$BUSYBOX_IMAGE_REPO:$RELEASE_VERSION")

docker_answers() { command -v docker >/dev/null && docker info >/dev/null 2>&1; }
