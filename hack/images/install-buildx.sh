#!/bin/bash
# install-buildx.sh — prepares this machine to build the images for several platforms.
# It creates a builder of Docker's buildx if a Docker engine answers, else it installs buildah.
# No emulation is needed, because the Dockerfile only copies files.
. "$(dirname "$0")/settings.sh"
if ! docker_answers; then
  need_buildah
  echo "No Docker engine answers: $(buildah --version | cut -d' ' -f1-3) builds the images instead of buildx."
  exit 0
fi

docker buildx version >/dev/null 2>&1 || die "Docker has no buildx: install its package docker-buildx-plugin (or docker-buildx)."
# The builder fetches the base image and pushes the images, so it needs the proxies.
# It uses the machine's network, so localhost is the same host for it.
# It is created again each time, because an existing builder keeps its old options.
options=(--driver-opt network=host)
for name in http_proxy https_proxy no_proxy; do
  [ -z "${!name:-}" ] || options+=(--driver-opt "\"env.$name=${!name}\"")
done
# INSECURE means the same as for buildah: HTTPS without verification, or plain HTTP.
if [ -n "${INSECURE:-}" ]; then
  config=$(mktemp)
  trap 'rm -f "$config"' EXIT
  { for image in "${IMAGES[@]}"; do repository "$image"; done; echo "${BASE_IMAGE:-}"; } | sed -n 's|^\([^/]*[.:][^/]*\)/.*|\1|p' | sort -u |
    while read -r host; do printf '[registry."%s"]\n  http = true\n  insecure = true\n' "$host"; done >"$config"
  options+=(--config "$config")
fi
docker buildx rm multibuilder >/dev/null 2>&1 || true
docker buildx create --name multibuilder --driver docker-container "${options[@]}" --use
docker buildx inspect --bootstrap multibuilder
