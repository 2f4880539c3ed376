# shellcheck shell=bash
# limits.sh — a limit of the machine that clusters run into: a control plane holds about 11 inotify instances and a node about 8, of 128 that
# one user may have by default; past that containerd's CRI plugin does not load and the kubelet fails. It is raised while clusters run, and put back.
INOTIFY=/proc/sys/fs/inotify/max_user_instances
INOTIFY_BEFORE=/run/kubefledged-inotify-before
INOTIFY_ENOUGH=1024

limits_raise() {
  local before
  before=$(cat $INOTIFY)
  [ "$before" -lt $INOTIFY_ENOUGH ] || return 0
  echo "$before" >$INOTIFY_BEFORE
  echo $INOTIFY_ENOUGH >$INOTIFY ||
    die "fs.inotify.max_user_instances is $before, too low for several kubelets, and cannot be set from here: sysctl fs.inotify.max_user_instances=$INOTIFY_ENOUGH"
}

# limits_restore: by the last cluster that goes down.
limits_restore() {
  [ -f $INOTIFY_BEFORE ] || return 0
  local run
  for run in /run/kubefledged-*/; do [ ! -d "$run" ] || return 0; done
  cat $INOTIFY_BEFORE >$INOTIFY
  rm $INOTIFY_BEFORE
}
