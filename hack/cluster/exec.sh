#!/bin/bash
# exec.sh NODE COMMAND… — run a command on a node, in all its namespaces: exec.sh 1 ctr -n k8s.io images ls
. "$(dirname "$0")/lib/settings.sh"
for part in process node; do . "$CLUSTER_SCRIPTS/lib/$part.sh"; done
[ $# -ge 2 ] || die "Usage: exec.sh NODE COMMAND…"
load_cluster
init=$(node_init_pid "$1") || die "node-$1 is not running (this cluster's nodes: $(node_numbers | tr '\n' ' '))."
shift
exec nsenter --target "$init" --mount --net --uts --pid -- "$@"
