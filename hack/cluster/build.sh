#!/bin/bash
# build.sh — everything a cluster runs: Debian packages, and every component from its pinned Go module (tools/*/go.mod) into $BIN.
# Does nothing when that is current.
. "$(dirname "$0")/lib/settings.sh"
. "$CLUSTER_SCRIPTS/lib/packages.sh"
. "$CLUSTER_SCRIPTS/lib/oci-archive.sh"
. "$CLUSTER_SCRIPTS/lib/progress.sh"

KUBERNETES=1.36.3
CONTAINERD=2.3.7
# with the seconds that each takes on 2 cores when nothing is in Go's cache
STEPS="kube=250
etcd=27
containerd=44
containerd-shim-runc-v2=2
ctr=4
bridge=2
loopback=1
host-local=1
portmap=1
registry=70
coredns=57
helm=74
kwok=75
pause-image=1"
PACKAGES=(runc iptables nftables socat iproute2 util-linux procps openssl busybox-static apache2-utils skopeo ca-certificates)

[ "$(id -u)" = 0 ] || die "The cluster needs root (network namespaces, mounts, cgroups). Run as root, or use CLUSTER=kind with Docker and kind."
need_packages "${PACKAGES[@]}"

# Go is looked for where the caller has it; settings.sh narrowed PATH to what the cluster uses.
GO=$(PATH=$CALLER_PATH:/usr/local/go/bin command -v go || true)
[ -n "$GO" ] || die "Go 1.26 or newer is missing: the cluster's components are compiled from source. See https://go.dev/dl/"
version=$(GOTOOLCHAIN=local "$GO" env GOVERSION)
[ "$(printf '%s\n' go1.26 "$version" | sort -V | head -1)" = go1.26 ] || die "Go 1.26 or newer is needed; $GO is $version. See https://go.dev/dl/"

mkdir -p "$BIN"
exec 8>"$BIN/.lock"
flock -n 8 || { echo "Another build is writing $BIN; waiting for it."; flock 8; }
wanted=$({ echo "$version"; cd "$CLUSTER_SCRIPTS"; cat tools/*/go.mod tools/*/go.sum tools/*/main.go build.sh lib/oci-archive.sh; } | sha256sum)
[ "$(cat "$BIN/.stamp" 2>/dev/null)" != "$wanted" ] || exit 0
rm -f "$BIN/.stamp"
echo "Building the cluster's programs into $BIN (a cold build takes about 10 minutes on 2 cores; with Go's cache, a minute)."
progress_begin

# go_build TOOL NAME PACKAGE [LDFLAGS] [TAGS]: by a rename, because a cluster may be running the old program.
go_build() {
  step "$2"
  (cd "$CLUSTER_SCRIPTS/tools/$1" && CGO_ENABLED=0 "$GO" build -trimpath -tags "${5:-}" -ldflags "-s -w ${4:-}" -o "$BIN/.new" "$3") ||
    die "Building $2 failed. Its modules come from ${GOPROXY:-the Go module proxy}; without a network nothing can be fetched."
  mv "$BIN/.new" "$BIN/$2"
  finished
}

version_package=k8s.io/component-base/version
minor=${KUBERNETES#*.}
go_build kube kube . "-X $version_package.gitVersion=v$KUBERNETES -X $version_package.gitMajor=1 -X $version_package.gitMinor=${minor%.*}" selinux_noop
for name in kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl; do ln -sf kube "$BIN/$name"; done
go_build etcd etcd go.etcd.io/etcd/server/v3
containerd=github.com/containerd/containerd/v2
for name in containerd containerd-shim-runc-v2 ctr; do
  go_build containerd "$name" "$containerd/cmd/$name" "-X $containerd/version.Version=v$CONTAINERD" no_btrfs,no_zfs,no_aufs,no_devmapper
done
for plugin in main/bridge main/loopback ipam/host-local meta/portmap; do
  go_build cni "${plugin#*/}" "github.com/containernetworking/plugins/plugins/$plugin"
done
go_build registry registry github.com/distribution/distribution/v3/cmd/registry
go_build coredns coredns .
go_build helm helm helm.sh/helm/v3/cmd/helm
go_build kwok kwok sigs.k8s.io/kwok/cmd/kwok

step pause-image
root=$(mktemp -d)
cp /usr/bin/busybox "$root/busybox"
oci_archive "$PAUSE_ARCHIVE" "$PAUSE_IMAGE" "$root" '{"Entrypoint":["/busybox","sleep","2147483647"]}'
rm -rf "$root"
finished

echo "$wanted" >"$BIN/.stamp"
