# shellcheck shell=bash
# settings.sh — where things are and what they are called. Sourced by every script of this folder.
#
# Environment that a caller may set: KUBEFLEDGED_BIN (built programs, shared between checkouts), CLUSTER_DIR (this cluster's state),
# and, for the first `up` only, PREFIX (network namespaces, cgroups), HOST_PORT (API server), REG_PORT (registries: it and the next one).
# What is not set is chosen so that it clashes with no other cluster on this machine, and recorded in $CLUSTER_DIR/env.
set -euo pipefail

CLUSTER_SCRIPTS=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
REPO=$(cd "$CLUSTER_SCRIPTS/../.." && pwd)
BIN=$(realpath -m "${KUBEFLEDGED_BIN:-${XDG_CACHE_HOME:-$HOME/.cache}/kubefledged/bin}")
PAUSE_ARCHIVE=$BIN/pause.tar
PAUSE_IMAGE=registry.test.local/pause:1
D=$(realpath -m "${CLUSTER_DIR:-$REPO/.cache/cluster}")
export CLUSTER_DIR=$D KUBEFLEDGED_BIN=$BIN # for the scripts that these scripts run

# Inside the namespaces nothing can clash, so these are the same for every cluster.
API_IP=10.90.0.1
NODE_IP_BASE=10.90.0
POD_CIDR_BASE=10.244
SERVICE_CIDR=10.96.0.0/16
# NAME=HOST:PORT, spoken to in plain HTTP by every node. The last three are for tests: a registry that misbehaves (a test runs it),
# one that accepts and never answers (a test runs it), one where nothing listens.
REGISTRIES="registry.test.local=$API_IP:5000 private.test.local=$API_IP:5001 faulty.test.local=$API_IP:5002
  silent.test.local=$API_IP:5003 unreachable.test.local=$API_IP:5999"
PRIVATE_USER=puller
PRIVATE_PASSWORD=s3cret

export BIN D API_IP NODE_IP_BASE POD_CIDR_BASE SERVICE_CIDR REGISTRIES PAUSE_ARCHIVE PAUSE_IMAGE
CALLER_PATH=$PATH
export PATH=$BIN:/usr/sbin:/usr/bin:/sbin:/bin
unset KUBECONFIG # an ambient cluster is none of our business

die() { echo "$*" >&2; exit 1; }

# recorded KEY: what the first `up` wrote into $D/env; nothing when there is no cluster.
recorded() { [ ! -f "$D/env" ] || sed -n "s/^$1=//p" "$D/env"; }

# load_cluster: fails unless `up` has run.
load_cluster() {
  [ -f "$D/env" ] || die "There is no cluster in $D. Start one with: make cluster-up"
  PREFIX=$(recorded PREFIX) HOST_PORT=$(recorded HOST_PORT) REG_PORT=$(recorded REG_PORT)
  PKI=$D/pki RUN=/run/kubefledged-$PREFIX CONTEXT=kubefledged-$PREFIX
  export PREFIX HOST_PORT REG_PORT PKI RUN CONTEXT
}

node_name() { echo "node-$1"; }
node_ip() { echo "$NODE_IP_BASE.$((10 + $1))"; }
node_netns() { echo "$PREFIX-node-$1"; }
# node_numbers: every node this cluster knows, running or not.
node_numbers() {
  local d
  for d in "$D"/node-*; do [ ! -d "$d" ] || echo "${d##*-}"; done | sort -n
}

# in_hub COMMAND…: run in the network of the control plane and the registries. Not `ip netns exec`, which mounts a fresh /sys and so hides the cgroups.
in_hub() { nsenter --net="/run/netns/$PREFIX" -- "$@"; }
admin() { kubectl --kubeconfig "$PKI/host-admin.kubeconfig" "$@"; }

# wait_until WHAT SECONDS COMMAND…
wait_until() {
  local what=$1 end=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || die "Timed out waiting for: $what. Logs are in $D/log."
    sleep 0.1
  done
}
