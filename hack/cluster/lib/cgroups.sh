# shellcheck shell=bash
# cgroups.sh — a kubelet insists that its cgroupRoot (/PREFIX/node-N) exists beforehand with every controller it uses.

cgroup_v2() { [ -f /sys/fs/cgroup/cgroup.controllers ]; }

# cgroup_prune DIR: a killed node leaves its pods' cgroups, and cAdvisor would try each for about 20 s before the new kubelet is Ready.
cgroup_prune() {
  [ ! -d "$1" ] || find "$1" -mindepth 1 -depth -type d -exec rmdir {} + 2>/dev/null || true
}

cgroup_prepare() { # N
  if cgroup_v2; then cgroup_prepare_v2 "$1"; else cgroup_prepare_v1 "$1"; fi
}

cgroup_prepare_v2() {
  local dir=/sys/fs/cgroup/$PREFIX/node-$1 controller parent
  cgroup_prune "$dir"
  mkdir -p "$dir"
  for parent in /sys/fs/cgroup "/sys/fs/cgroup/$PREFIX"; do
    for controller in $(cat "$parent/cgroup.controllers"); do
      # one by one: a controller that cannot be delegated (rdma, misc) must not hold up the others
      echo "+$controller" 2>/dev/null >"$parent/cgroup.subtree_control" || true
    done
  done
  for controller in cpu cpuset memory pids; do
    grep -qw "$controller" "$dir/cgroup.controllers" ||
      die "The cgroup controller $controller cannot be delegated. In a container, its processes must not be in the root of its cgroup namespace."
  done
}

cgroup_prepare_v1() {
  local controller dir file root=/sys/fs/cgroup
  for controller in cpu cpuacct cpuset memory devices freezer blkio pids systemd; do
    [ -d "$root/$controller" ] || continue
    dir=$root/$controller/$PREFIX/node-$1
    cgroup_prune "$dir"
    mkdir -p "$dir"
  done
  # a new cpuset is empty, and no process can enter an empty one
  echo 1 2>/dev/null >$root/cpuset/cgroup.clone_children || true
  for file in cpuset.cpus cpuset.mems; do
    cat $root/cpuset/$file >"$root/cpuset/$PREFIX/$file"
    cat $root/cpuset/$file >"$root/cpuset/$PREFIX/node-$1/$file"
  done
}

# cgroup_remove RELATIVE_PATH: `PREFIX` or `PREFIX/node-N`. What just died leaves its cgroup a moment later.
cgroup_remove() {
  local dir
  for dir in /sys/fs/cgroup/"$1" /sys/fs/cgroup/*/"$1"; do
    for _ in $(seq 25); do
      [ -d "$dir" ] || break
      find "$dir" -depth -type d -exec rmdir {} + 2>/dev/null || true
      [ ! -d "$dir" ] || sleep 0.2
    done
  done
}
