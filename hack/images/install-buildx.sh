#!/bin/bash
# install-buildx.sh — prepares this machine to build the images for several platforms: a builder of Docker's buildx where an engine answers,
# else buildah. No emulation: the Dockerfile only copies.
. "$(dirname "$0")/settings.sh"
if ! docker_answers; then
  need_buildah
  echo "No Docker engine answers: $(buildah --version | cut -d' ' -f1-3) builds the images instead of buildx."
  exit 0
fi

docker buildx version >/dev/null 2>&1 || die "Docker has no buildx: install its package docker-buildx-plugin (or docker-buildx)."
# The builder fetches the base image and pushes, so it is the one that has to know the proxies. The network is the machine's: a registry on
# localhost is one here too. Made anew, because an older one keeps what it was told.
options=(--driver-opt network=host)
for name in http_proxy https_proxy no_proxy; do
  [ -z "${!name:-}" ] || options+=(--driver-opt "\"env.$name=${!name}\"")
done
# As buildah has it: HTTPS that is not verified, or plain HTTP.
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
