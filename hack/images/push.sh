#!/bin/bash
# push.sh [IMAGE…] — pushes what build.sh has built for this machine; all images without arguments. REGISTRY=host[:port][/path] pushes to that
# registry instead of the one in the images' names; INSECURE=1 speaks plain HTTP to it.
. "$(dirname "$0")/settings.sh"
[ $# -gt 0 ] || set -- "${IMAGES[@]}"
for image in "$@"; do
  source=$(image "$image")
  on_this_machine "$source" || die "$source is not on this machine: make images, with the same variables."
  target=$source
  [ -z "${REGISTRY:-}" ] || target=$REGISTRY/${source##*/}
  push "$source" "$target"
done
