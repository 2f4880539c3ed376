#!/bin/bash
# push.sh — pushes what build.sh has built for this machine. REGISTRY=host[:port][/path] pushes to that registry instead of the one in the
# images' names; INSECURE=1 speaks plain HTTP to it.
. "$(dirname "$0")/settings.sh"
for image in "${IMAGES[@]}"; do
  source=$(repository "$image"):$RELEASE_VERSION
  on_this_machine "$source" || die "$source is not on this machine: make images, with the same variables."
  target=$source
  [ -z "${REGISTRY:-}" ] || target=$REGISTRY/${source##*/}
  push "$source" "$target"
done
