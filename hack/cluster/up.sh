#!/bin/bash
# up.sh [NODES=2] — a cluster of real components with at least that many nodes. Idempotent: starts what is not running, adds nodes that are missing.
. "$(dirname "$0")/lib/settings.sh"
for part in process cgroups limits network pki registries control-plane node identity; do . "$CLUSTER_SCRIPTS/lib/$part.sh"; done
NODES=${1:-2}
[[ $NODES =~ ^[1-9][0-9]?$ ]] || die "NODES must be a number from 1 to 99, not '$NODES'."
PATH=$CALLER_PATH "$CLUSTER_SCRIPTS/build.sh"

mkdir -p "$D/log" "$D/run"
case $D in *[[:space:]]*) die "CLUSTER_DIR must not contain spaces: $D" ;; esac
exec 7>"$D/.lock"
flock -n 7 || { echo "Another up or down of this cluster is under way; waiting for it."; flock 7; }
began=$(date +%s%N)
since=$(date -u +%FT%TZ)
progress() { printf '+%4.1fs %s\n' "$((($(date +%s%N) - began) / 100000000))e-1" "$1"; }

limits_raise
identity_claim
identity_record "$NODES"
hub_up
pki_up
apiserver_up
registries_up
fresh=
for n in $(seq 1 "$NODES") $(node_numbers); do
  alive "node-$n" || fresh="$fresh $n"
  node_launch "$n"
done
pod_routes
wait_until "the API server" 120 admin get --raw /readyz
progress "API server answers"
controllers_up
for n in $(node_numbers); do
  # what a node said before it was started again does not count
  case " $fresh " in
    *" $n "*) node_wait "$n" "$since" ;;
    *) node_wait "$n" "" ;;
  esac
done
wait_until "the default service account" 60 admin -n default get serviceaccount default
identity_record "$(node_numbers | wc -l)"
progress "$(node_numbers | wc -l) nodes Ready"
echo "KUBECONFIG=$PKI/host-admin.kubeconfig   (make cluster-shell gives a shell with it; everything else is in $D/env)"
