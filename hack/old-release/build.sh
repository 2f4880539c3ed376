#!/bin/bash
# build.sh — builds kube-fledged 0.11 as it was released, for the tests that upgrade from it.
# It compiles the controller, the webhook server and the crictl of the Jobs from pinned Go modules (go.mod),
# and copies the checkout (charts, manifests, Makefile). It prints their folder, $BIN/old-release.
# It builds nothing if the folder is up to date. cluster-build does not run it, because no cluster needs it.
. "$(dirname "$0")/../cluster/lib/settings.sh"

MODULE=github.com/senthilrch/kube-fledged
cd "$REPO/hack/old-release"
OUT=$BIN/old-release
GO=$(PATH=$CALLER_PATH:/usr/local/go/bin command -v go || true)
[ -n "$GO" ] || die "Go 1.26 or newer is missing: kube-fledged is compiled from source. See https://go.dev/dl/"

mkdir -p "$OUT"
exec 8>"$OUT/.lock"
flock -n 8 || { echo "Another build is running; waiting until it has written $OUT." >&2; flock 8; }
wanted=$({ "$GO" env GOVERSION; cat go.mod go.sum build.sh; } | sha256sum)
if [ "$(cat "$OUT/.stamp" 2>/dev/null)" != "$wanted" ]; then
  rm -f "$OUT/.stamp"
  echo "Building kube-fledged 0.11 into $OUT (a cold build takes about 2 minutes on 2 cores)." >&2
  for package in $MODULE/cmd/controller $MODULE/cmd/webhook-server sigs.k8s.io/cri-tools/cmd/crictl; do
    CGO_ENABLED=0 "$GO" build -trimpath -ldflags "-s -w" -o "$OUT/" "$package" ||
      die "Building $package failed. Its modules come from ${GOPROXY:-the Go module proxy}. Check the network."
  done
  rm -rf "$OUT/checkout"
  mkdir "$OUT/checkout"
  source=$("$GO" list -m -f '{{.Dir}}' $MODULE)
  cp -r "$source/Makefile" "$source/deploy" "$OUT/checkout"
  chmod -R u+w "$OUT/checkout" # the module cache is read-only
  echo "$wanted" >"$OUT/.stamp"
fi
echo "$OUT"
