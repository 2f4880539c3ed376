#!/bin/bash
# clean.sh [IMAGE…] — removes the built images from this machine. It changes nothing in registries.
# Without arguments it removes all images and the cached Debian packages.
# The next build then fetches current packages.
. "$(dirname "$0")/settings.sh"
if [ $# = 0 ]; then
  set -- "${IMAGES[@]}"
  rm -f "$CACHE"/base-*.tar "$CACHE"/busybox-bookworm-*
  if command -v buildah >/dev/null; then
    buildah images --quiet --filter reference=localhost/kubefledged-base | sort -u | xargs -r buildah rmi --force >/dev/null || true
  fi
fi
for image in "$@"; do
  for name in "$(image "$image")" "$(repository "$image"):latest"; do
    if docker_answers; then
      docker image inspect "$name" >/dev/null 2>&1 && docker image rm "$name"
    elif command -v buildah >/dev/null; then
      buildah rmi "$name" 2>/dev/null
    fi || true
  done
done
