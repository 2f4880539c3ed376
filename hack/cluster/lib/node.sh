# shellcheck shell=bash
# node.sh — one node seen from outside: its namespaces, and what can happen to it.

# node_launch N: network and processes; does not wait. NODE_LABELS (k=v,…) and NODE_TAINTS (k=v:Effect,…) hold for a node that is new.
node_launch() {
  alive "node-$1" && return 0
  [ -z "${NODE_LABELS:-}" ] || [ -d "$D/node-$1" ] || echo "$NODE_LABELS" >"$D/node-$1.labels"
  [ -z "${NODE_TAINTS:-}" ] || [ -d "$D/node-$1" ] || echo "$NODE_TAINTS" >"$D/node-$1.taints"
  mkdir -p "$D/node-$1"
  pki_node "$1"
  node_link "$1"
  N=$1 start "node-$1" nsenter --net="/run/netns/$(node_netns "$1")" -- \
    unshare --mount --pid --uts --fork --kill-child --mount-proc bash "$CLUSTER_SCRIPTS/lib/node-init.sh"
}

# node_ready N SINCE: Ready by the word of a kubelet alive at SINCE or later (a dead node keeps its last Ready until the grace period ends).
node_ready() {
  local status
  status=$(admin get node "$(node_name "$1")" -o jsonpath='{range .status.conditions[?(@.type=="Ready")]}{.status} {.lastHeartbeatTime}{end}') || return 1
  [ "${status%% *}" = True ] && [[ ! "${status##* }" < "$2" ]]
}

# node_wait N SINCE: until node_ready; fails at once when the node's own processes are gone.
node_wait() {
  local end=$((SECONDS + 180))
  until node_ready "$1" "$2" 2>/dev/null; do
    alive "node-$1" || die "node-$1 ended: $(tail -n 3 "$D/log/node-$1.log")"
    [ $SECONDS -lt $end ] || die "node-$1 is not Ready after 3 minutes. Logs are in $D/log: kubelet-$1.log, containerd-$1.log, node-$1.log."
    sleep 0.1
  done
}

# node_init_pid N: the node's PID 1 as seen from outside, to enter its namespaces by.
node_init_pid() {
  local outer
  outer=$(pid_of "node-$1") || return 1
  pgrep -o -P "$outer"
}

# node_power_cut N: everything on the node ends at once, without a word to anybody.
node_power_cut() {
  local init
  if init=$(node_init_pid "$1"); then kill -KILL "$init" || true; fi
  stop "node-$1" KILL # its process ends by itself once the last one inside is gone
  cgroup_remove "$PREFIX/node-$1"
}
