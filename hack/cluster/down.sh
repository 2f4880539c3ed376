#!/bin/bash
# down.sh — ends exactly what up.sh started, and removes its namespaces, cgroups and data. The logs stay in $CLUSTER_DIR/log.
. "$(dirname "$0")/lib/settings.sh"
for part in process cgroups limits network node; do . "$CLUSTER_SCRIPTS/lib/$part.sh"; done
mkdir -p "$D"
exec 7>"$D/.lock"
flock -n 7 || { echo "Another up or down of this cluster is under way; waiting for it."; flock 7; }
[ -f "$D/env" ] || { echo "No cluster in $D."; exit 0; }
load_cluster

for n in $(node_numbers); do
  node_power_cut "$n"
  node_unlink "$n"
done
for name in kube-scheduler kube-controller-manager coredns; do stop "$name" TERM; done
stop kube-apiserver KILL # TERM would wait a minute for its watches
stop etcd TERM
for file in "$D"/run/*.pid; do
  [ ! -e "$file" ] || stop "$(basename "$file" .pid)" TERM
done
[ ! -e "/run/netns/$PREFIX" ] || ip netns del "$PREFIX"
cgroup_remove "$PREFIX"
rm -rf "$RUN"
limits_restore
find "$D" -mindepth 1 -maxdepth 1 ! -name log -exec rm -rf {} +
