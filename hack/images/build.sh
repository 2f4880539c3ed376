#!/bin/bash
# build.sh — the images of the Dockerfile: with Docker's buildx where an engine answers, else with buildah. PUSH=1 pushes them;
# PLATFORMS=linux/amd64,linux/arm64 builds for several (Docker only, together with PUSH=1).
. "$(dirname "$0")/settings.sh"
cd "$REPO"
hack/images/context.sh

if docker_answers; then
  for image in "${IMAGES[@]}"; do
    docker buildx build --target "${image%%=*}" --tag "${image#*=}" ${BASE_IMAGE:+--build-arg "BASE_IMAGE=$BASE_IMAGE"} \
      ${PLATFORMS:+--platform "$PLATFORMS"} "$([ -n "${PUSH:-}" ] && echo --push || echo --load)" .
  done
  exit 0
fi

[ "$(id -u)" = 0 ] || die "No Docker engine answers; buildah needs root here."
base=${BASE_IMAGE:-$(hack/images/base.sh)}
for image in "${IMAGES[@]}"; do
  echo "${image#*=}"
  # a fixed time stamp: the same content is the same image
  buildah bud --isolation chroot --layers --quiet --timestamp 0 --pull-never --build-arg "BASE_IMAGE=$base" \
    --build-arg "TARGETARCH=$(dpkg --print-architecture)" --target "${image%%=*}" --tag "${image#*=}" .
done
[ -z "${PUSH:-}" ] || hack/images/push.sh
