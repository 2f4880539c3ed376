#!/bin/bash
# build.sh [IMAGE…] — builds images of the Dockerfile (all of them without arguments): with Docker's buildx where an engine answers, else
# with buildah.
#   TARGET_PLATFORMS  linux/amd64,linux/arm64; this machine's where it is not set
#   BUILD_OUTPUT      --load keeps them on this machine (default); --push pushes them, also as :latest; Docker takes any --output=…
#   PROGRESS          auto (default), plain, …, as buildx has it
#   BASE_IMAGE        what the ones with Node.js are made from
#   INSECURE=1        speaks plain HTTP to the registry
. "$(dirname "$0")/settings.sh"
cd "$REPO"
[ $# -gt 0 ] || set -- "${IMAGES[@]}"
output=${BUILD_OUTPUT:---load}
architectures=$(architectures)
hack/images/context.sh "$@"

revision=$(git describe --always --abbrev=40 --exclude '*' --dirty 2>/dev/null || true) # the commit
# dockerfile: with the values of its labels. Not by --build-arg, which buildah does not see when it looks for a step in its cache.
dockerfile() { sed "s|\${VERSION}|$RELEASE_VERSION|; s|\${REVISION}|$revision|" Dockerfile; }

by_docker() {
  local image tags
  [ "$output" != --push ] || [ -z "${INSECURE:-}" ] || output=--output=type=image,push=true,registry.insecure=true
  for image in "$@"; do
    tags=(--tag "$(repository "$image"):$RELEASE_VERSION")
    case $output in --push | *push=true*) tags+=(--tag "$(repository "$image"):latest") ;; esac
    dockerfile | docker buildx build --platform "$(sed 's|^|linux/|' <<<"$architectures" | paste -sd,)" --target "$image" "${tags[@]}" \
      ${BASE_IMAGE:+--build-arg "BASE_IMAGE=$BASE_IMAGE"} --progress "${PROGRESS:-auto}" --file - "$output" . ||
      die "Docker could not build${BUILD_OUTPUT:+, or $BUILD_OUTPUT,} $(repository "$image"):$RELEASE_VERSION; its words are above." \
        "It takes the builder of \`make install-buildx\` to build for several platforms, and with INSECURE=1 to fetch a base image by plain HTTP."
  done
}

# platform_image IMAGE ARCHITECTURE: builds it and prints its ID
platform_image() {
  local base=${BASE_IMAGE:-} quiet=(--quiet) id_file
  [ -n "$base" ] || [ "$1" = busybox ] || base=$(hack/images/base.sh "$2")
  [ "${PROGRESS:-auto}" != plain ] || quiet=()
  id_file=$(mktemp)
  # a fixed time stamp: the same content is the same image
  dockerfile | buildah bud --isolation chroot --layers "${quiet[@]}" --timestamp 0 --platform "linux/$2" \
    ${INSECURE:+--tls-verify=false} ${base:+--build-arg "BASE_IMAGE=$base"} --target "$1" --iidfile "$id_file" --file - . | sed '/^[0-9a-f]*$/d' >&2 ||
    die "buildah could not build $1 for linux/$2; its words are above."
  cat "$id_file"
  rm "$id_file"
}

by_buildah() {
  local image architecture id name of_image list
  local -A ids=()
  case $output in
    --push) ;;
    --load) [ "$(wc -w <<<"$architectures")" = 1 ] || die "BUILD_OUTPUT=--load keeps one platform, but TARGET_PLATFORMS names several." ;;
    *) die "BUILD_OUTPUT=$output needs Docker; without it there are --load and --push." ;;
  esac
  need_buildah
  for image in "$@"; do
    echo "$(repository "$image"):$RELEASE_VERSION"
    for architecture in $architectures; do
      id=$(platform_image "$image" "$architecture")
      ids[$image]+=" $id"
    done
  done
  for image in "$@"; do
    name=$(repository "$image")
    read -ra of_image <<<"${ids[$image]}"
    if [ ${#of_image[@]} = 1 ]; then
      buildah tag "${of_image[0]}" "$name:$RELEASE_VERSION"
      [ "$output" = --load ] || push_release "$name:$RELEASE_VERSION" "$name"
    else
      # A list of this machine would break when one of its images goes.
      list=localhost/kubefledged-$image-platforms:$$
      # shellcheck disable=SC2064 # the name as it is now
      trap "buildah manifest rm $list >/dev/null" EXIT
      buildah manifest create "$list" "${of_image[@]}" >/dev/null
      push_release "$list" "$name"
      buildah manifest rm "$list" >/dev/null
      trap - EXIT
    fi
  done
}

# push_release SOURCE REPOSITORY
push_release() {
  push "$1" "$2:$RELEASE_VERSION"
  push "$1" "$2:latest"
}

if docker_answers; then by_docker "$@"; else by_buildah "$@"; fi
