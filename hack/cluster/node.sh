#!/bin/bash
# node.sh ACTION N — what can happen to a node:
#   start N      add it, or bring it back; waits until Ready. NODE_LABELS=k=v,… and NODE_TAINTS=k=v:Effect,… hold for a node that is new
#   kill N       a power cut: everything on it ends at once (NotReady after 20 s); its disk stays
#   partition N  its network cable is pulled; what runs on it goes on
#   heal N       the cable is put back
#   remove N     a power cut, then the disk and the Node object are gone too
. "$(dirname "$0")/lib/settings.sh"
for part in process cgroups network pki node identity; do . "$CLUSTER_SCRIPTS/lib/$part.sh"; done
action=${1:-} n=${2:-}
[[ $n =~ ^[1-9][0-9]?$ ]] || die "Usage: node.sh start|kill|partition|heal|remove N"
load_cluster

case $action in
  start)
    since=$(date -u +%FT%TZ)
    node_launch "$n"
    pod_routes
    node_wait "$n" "$since"
    ;;
  kill) node_power_cut "$n" ;;
  partition) ip -n "$PREFIX" link set "v$n" down ;;
  heal) ip -n "$PREFIX" link set "v$n" up ;;
  remove)
    node_power_cut "$n"
    node_unlink "$n"
    admin delete node "$(node_name "$n")" --ignore-not-found
    rm -rf "$D/node-$n" "$D/node-$n.labels" "$D/node-$n.taints"
    ;;
  *) die "Unknown action '$action'. Usage: node.sh start|kill|partition|heal|remove N" ;;
esac
identity_record "$(node_numbers | wc -l)"
