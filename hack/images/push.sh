#!/bin/bash
# push.sh [IMAGE…] — pushes images that build.sh has built for this machine; without arguments all images.
#   REGISTRY    host[:port][/path] to push to; default: the registry in the images' names
#   INSECURE=1  uses plain HTTP for the registry
. "$(dirname "$0")/settings.sh"
[ $# -gt 0 ] || set -- "${IMAGES[@]}"
for image in "$@"; do
  source=$(image "$image")
  on_this_machine "$source" || die "$source is not on this machine. Run make images with the same variables."
  target=$source
  [ -z "${REGISTRY:-}" ] || target=$REGISTRY/${source##*/}
  push "$source" "$target"
done
