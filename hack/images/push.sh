#!/bin/bash
# push.sh — pushes what build.sh built. REGISTRY=host[:port][/path] pushes to that registry instead of the one in the images' names;
# INSECURE=1 speaks plain HTTP to it.
. "$(dirname "$0")/settings.sh"
for image in "${IMAGES[@]}"; do
  source=${image#*=}
  target=$source
  [ -z "${REGISTRY:-}" ] || target=$REGISTRY/${source##*/}
  if docker_answers; then
    docker tag "$source" "$target"
    docker push --quiet "$target"
  else
    buildah push --quiet ${INSECURE:+--tls-verify=false} "$source" "docker://$target"
    echo "$target"
  fi
done
