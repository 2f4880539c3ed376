#!/bin/bash
# helm.sh ARCH — compiles the helm that the operator's image carries for linux/ARCH (amd64, arm64, arm) from its pinned Go module, and prints
# its path in the cache. By the machine's own Go, else by a container with one.
. "$(dirname "$0")/settings.sh"
module=$REPO/hack/cluster/tools/helm
arch=${1:?Usage: helm.sh ARCH}
recipe=$(cat "$module"/go.mod "$module"/go.sum "${BASH_SOURCE[0]}" | short_hash)
helm=$CACHE/helm-$recipe-$arch
if [ -x "$helm" ]; then
  echo "$helm"
  exit 0
fi

mkdir -p "$CACHE"
version=$(sed -n 's/^go //p' "$module/go.mod")
go=$(PATH=$PATH:/usr/local/go/bin command -v go || true)
new=$(mktemp "$helm.XXXXXX")
trap 'rm -f "$new"' EXIT
export CGO_ENABLED=0 GOOS=linux GOARCH=$arch
build=(build -trimpath -ldflags "-s -w" -o)
echo "Compiling helm for linux/$arch (about 2 minutes without Go's cache) …" >&2
if [ -n "$go" ]; then
  (cd "$module" && "$go" "${build[@]}" "$new" helm.sh/helm/v3/cmd/helm) >&2 ||
    die "helm could not be compiled. Its modules come from ${GOPROXY:-the Go module proxy}."
elif docker_answers; then
  docker run --rm --volume "$module:/module:ro" --volume "$CACHE:/cache" --workdir /module --env CGO_ENABLED --env GOOS --env GOARCH \
    --env GOPROXY --env HTTP_PROXY --env HTTPS_PROXY "golang:$version" go "${build[@]}" "/cache/${new##*/}" helm.sh/helm/v3/cmd/helm >&2 ||
    die "helm could not be compiled in a container of golang:$version."
else
  die "Go is missing, which compiles helm for the operator's image, and no Docker engine answers. See https://go.dev/dl/"
fi
chmod 755 "$new"
mv "$new" "$helm"
echo "$helm"
