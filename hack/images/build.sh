#!/bin/bash
# build.sh [IMAGE…] — builds images of the Dockerfile; without arguments all of them.
# It uses Docker's buildx if a Docker engine answers, else buildah.
#   TARGET_PLATFORMS  such as linux/amd64,linux/arm64; default: the platform of this machine
#   BUILD_OUTPUT      --load (default) keeps the images on this machine; --push pushes them, also as :latest;
#                     with Docker also any --output=…
#   PROGRESS          progress output of buildx: auto (default), plain, …
#   BASE_IMAGE        base of the images with Node.js
#   INSECURE=1        uses plain HTTP for the registry
. "$(dirname "$0")/settings.sh"
cd "$REPO"
[ $# -gt 0 ] || set -- "${IMAGES[@]}"
output=${BUILD_OUTPUT:---load}
architectures=$(architectures)
hack/images/context.sh "$@"

revision=$(git describe --always --abbrev=40 --exclude '*' --dirty 2>/dev/null || true) # the commit
# dockerfile: prints the Dockerfile with the values of its labels.
# It does not use --build-arg, because buildah ignores build arguments when it looks up a step in its cache.
dockerfile() { sed "s|\${VERSION}|$RELEASE_VERSION|; s|\${REVISION}|$revision|" Dockerfile; }

by_docker() {
  local image tags
  [ "$output" != --push ] || [ -z "${INSECURE:-}" ] || output=--output=type=image,push=true,registry.insecure=true
  for image in "$@"; do
    tags=(--tag "$(image "$image")")
    case $output in --push | *push=true*) tags+=(--tag "$(repository "$image"):latest") ;; esac
    dockerfile | docker buildx build --platform "$(sed 's|^|linux/|' <<<"$architectures" | paste -sd, -)" --target "$image" "${tags[@]}" \
      ${BASE_IMAGE:+--build-arg "BASE_IMAGE=$BASE_IMAGE"} --progress "${PROGRESS:-auto}" --file - "$output" . ||
      die "Docker could not build${BUILD_OUTPUT:+, or $BUILD_OUTPUT,} $(image "$image"); its message is above." \
        "Builds for several platforms, and base images over plain HTTP (INSECURE=1), need the builder of \`make install-buildx\`."
  done
}

# platform_image IMAGE ARCHITECTURE: builds the image and prints its ID
platform_image() {
  local base=${BASE_IMAGE:-} quiet=--quiet id_file
  [ -n "$base" ] || [ "$1" = busybox ] || base=$(hack/images/base.sh "$2")
  [ "${PROGRESS:-auto}" != plain ] || quiet=
  id_file=$(mktemp)
  # With a fixed timestamp, the same content gives the same image.
  dockerfile | buildah bud --isolation chroot --layers ${quiet:+"$quiet"} --timestamp 0 --platform "linux/$2" \
    ${INSECURE:+--tls-verify=false} ${base:+--build-arg "BASE_IMAGE=$base"} --target "$1" --iidfile "$id_file" --file - . | sed '/^[0-9a-f]*$/d' >&2 ||
    die "buildah could not build $1 for linux/$2; its message is above."
  cat "$id_file"
  rm "$id_file"
}

by_buildah() {
  local image architecture id of_image list ids i=0
  ids=() # for each image, in the order of the arguments: its IDs, one per platform
  case $output in
    --push) ;;
    --load) [ "$(wc -w <<<"$architectures")" -eq 1 ] || die "BUILD_OUTPUT=--load keeps one platform, but TARGET_PLATFORMS names several." ;;
    *) die "BUILD_OUTPUT=$output needs Docker. Without Docker, use --load or --push." ;;
  esac
  need_buildah
  for image in "$@"; do
    image "$image"
    of_image=
    for architecture in $architectures; do
      id=$(platform_image "$image" "$architecture")
      of_image+=" $id"
    done
    ids+=("$of_image")
  done
  for image in "$@"; do
    read -ra of_image <<<"${ids[i]}"
    i=$((i + 1))
    if [ ${#of_image[@]} = 1 ]; then
      buildah tag "${of_image[0]}" "$(image "$image")"
      [ "$output" = --load ] || push_release "$(image "$image")" "$image"
    else
      # The list is deleted after the push. A list that stays would break when one of its images is deleted.
      list=localhost/kubefledged-$image-platforms:$$
      # shellcheck disable=SC2064 # the trap needs the present value of the name
      trap "buildah manifest rm $list >/dev/null" EXIT
      buildah manifest create "$list" "${of_image[@]}" >/dev/null
      push_release "$list" "$image"
      buildah manifest rm "$list" >/dev/null
      trap - EXIT
    fi
  done
}

# push_release SOURCE IMAGE: pushes it with the release's tag and as :latest
push_release() {
  push "$1" "$(image "$2")"
  push "$1" "$(repository "$2"):latest"
}

if docker_answers; then by_docker "$@"; else by_buildah "$@"; fi
