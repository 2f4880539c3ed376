# shellcheck shell=bash
# settings.sh — names and platforms of the images. The scripts of this folder and of hack/deploy source it.
# Environment variables override the defaults.
# The scripts need bash 3.2 and the tools of macOS. Only buildah and the base images need Linux.
set -euo pipefail
REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/kubefledged

die() { echo "$*" >&2; exit 1; }

CONTROLLER_IMAGE_REPO=${CONTROLLER_IMAGE_REPO:-ghcr.io/kubefledged/kubefledged-controller}
CRI_CLIENT_IMAGE_REPO=${CRI_CLIENT_IMAGE_REPO:-ghcr.io/kubefledged/kubefledged-cri-client}
WEBHOOK_SERVER_IMAGE_REPO=${WEBHOOK_SERVER_IMAGE_REPO:-ghcr.io/kubefledged/kubefledged-webhook-server}
OPERATOR_IMAGE_REPO=${OPERATOR_IMAGE_REPO:-ghcr.io/kubefledged/kubefledged-operator}
# Default: next to the controller's image. Users of kube-fledged 0.11 know only the four variables above.
BUSYBOX_IMAGE_REPO=${BUSYBOX_IMAGE_REPO:-$(sed 's|[^/]*$|kubefledged-busybox|' <<<"$CONTROLLER_IMAGE_REPO")}
# Read with sed, because an installation must not need Node.js.
RELEASE_VERSION=${RELEASE_VERSION:-v$(sed -n 's/^  "version": "\(.*\)",$/\1/p' "$REPO/package.json")}
# The names become part of sed scripts, so they are checked: GNU sed can run commands.
host='([A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:]+\])(:[0-9]+)?'
component='[a-z0-9]+([._-]+[a-z0-9]+)*'
for name in CONTROLLER_IMAGE_REPO CRI_CLIENT_IMAGE_REPO WEBHOOK_SERVER_IMAGE_REPO OPERATOR_IMAGE_REPO BUSYBOX_IMAGE_REPO; do
  [[ ${!name} =~ ^($host/)?$component(/$component)*$ ]] ||
    die "$name=${!name} is not a repository such as ghcr.io/kubefledged/kubefledged-controller. It must not have a tag or a digest."
done
tag='[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}'
[[ $RELEASE_VERSION =~ ^$tag$ ]] || die "RELEASE_VERSION=$RELEASE_VERSION is not a tag such as v1.2.3."
# Variable of the oldest kube-fledged: the name of the controller's image, including the tag.
FLEDGED_REPOSITORY=${FLEDGED_REPOSITORY:-}
[[ $FLEDGED_REPOSITORY =~ ^(($host/)?$component(/$component)*:$tag)?$ ]] ||
  die "FLEDGED_REPOSITORY=$FLEDGED_REPOSITORY is not an image with a tag, such as registry.example.com/me/fledged:v1."
# npm and the builders accept both spellings of the proxy variables. apt accepts only lower case.
for name in http_proxy https_proxy no_proxy; do
  upper=$(tr '[:lower:]' '[:upper:]' <<<"$name")
  [ -z "${!upper:-}" ] || [ -n "${!name:-}" ] || export "$name=${!upper}"
done

# IMAGES: the targets of the Dockerfile that are images
IMAGES=(controller webhook-server cri-client operator busybox)

# repository IMAGE: prints the name of the image without the tag
repository() {
  case $1 in
    controller) if [ -n "$FLEDGED_REPOSITORY" ]; then echo "${FLEDGED_REPOSITORY%:*}"; else echo "$CONTROLLER_IMAGE_REPO"; fi ;;
    webhook-server) echo "$WEBHOOK_SERVER_IMAGE_REPO" ;;
    cri-client) echo "$CRI_CLIENT_IMAGE_REPO" ;;
    operator) echo "$OPERATOR_IMAGE_REPO" ;;
    busybox) echo "$BUSYBOX_IMAGE_REPO" ;;
    *) die "There is no image $1; there are ${IMAGES[*]}." ;;
  esac
}

# image IMAGE: prints the name of the image with the tag
image() {
  local repository tag=$RELEASE_VERSION
  repository=$(repository "$1")
  if [ "$1" = controller ] && [ -n "$FLEDGED_REPOSITORY" ]; then tag=${FLEDGED_REPOSITORY##*:}; fi
  echo "$repository:$tag"
}

# short_hash: prints a hash of standard input. macOS has shasum instead of sha256sum.
short_hash() { { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi; } | cut -c1-12; }

# architectures: prints the architectures of TARGET_PLATFORMS; default: that of this machine
architectures() {
  local platform
  [ -n "${TARGET_PLATFORMS:-}" ] || TARGET_PLATFORMS=linux/$(uname -m)
  for platform in ${TARGET_PLATFORMS//,/ }; do
    case $platform in
      linux/amd64 | linux/x86_64) echo amd64 ;;
      linux/arm64 | linux/arm64/v8 | linux/aarch64) echo arm64 ;;
      *) die "TARGET_PLATFORMS names $platform, but Node.js 24 is built for linux/amd64 and linux/arm64 only." ;;
    esac
  done
}

docker_answers() { command -v docker >/dev/null && docker info >/dev/null 2>&1; }

# on_this_machine IMAGE: succeeds if the image is on this machine
on_this_machine() {
  if docker_answers; then docker image inspect "$1" >/dev/null 2>&1; else buildah inspect --type image "$1" >/dev/null 2>&1; fi
}

# push SOURCE TARGET: pushes an image or a list of images of this machine; INSECURE=1 uses plain HTTP
push() {
  local output failed=0 hint="CONTROLLER_IMAGE_REPO and the other *_IMAGE_REPO variables name the registry; log in to it first."
  local plain="Use INSECURE=1 for a registry with plain HTTP."
  if docker_answers; then
    output=$({ docker tag "$1" "$2" && docker push --quiet "$2"; } 2>&1) || failed=1
    [ "$1" = "$2" ] || docker image rm "$2" >/dev/null 2>&1 || true
    plain="Docker uses plain HTTP for the registries in insecure-registries of its daemon.json."
  elif buildah manifest exists "$1" 2>/dev/null; then
    output=$(buildah manifest push --all --format oci ${INSECURE:+--tls-verify=false} "$1" "docker://$2" 2>&1) || failed=1
  else
    output=$(buildah push --quiet ${INSECURE:+--tls-verify=false} "$1" "docker://$2" 2>&1) || failed=1
  fi
  if [ $failed != 0 ]; then
    case $output in *"HTTP response to HTTPS client"*) hint=$plain ;; esac
    die "$2 could not be pushed: $(tail -1 <<<"$output" | sed 's/^.*"docker:[^"]*": //; s/^.* at destination: //'). $hint"
  fi
  echo "$2"
}

# need_buildah: installs the packages for builds without Docker, if they are missing
need_buildah() {
  [ "$(id -u)" = 0 ] || die "No Docker engine answers, and building the images without one needs root, for buildah."
  command -v apt-get >/dev/null || die "No Docker engine answers, and building the images without one needs Debian or Ubuntu, for buildah and mmdebstrap."
  . "$REPO/hack/cluster/lib/packages.sh"
  need_packages buildah mmdebstrap debian-archive-keyring >&2
}
