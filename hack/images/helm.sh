#!/bin/bash
# helm.sh ARCH — compiles helm for the operator's image, and prints its path in the cache.
# ARCH is amd64, arm64 or arm, for Linux. The source is a pinned Go module.
# It uses the machine's own Go, else Go in a container.
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
  die "Go is missing and no Docker engine answers. One of them must compile helm for the operator's image. See https://go.dev/dl/"
fi
chmod 755 "$new"
mv "$new" "$helm"
echo "$helm"
