# shellcheck shell=bash
# process.sh — background processes with pid files in $D/run. A pid file holds "PID START_TIME": it is believed only while the process
# with that id still has that start time, so nothing else is ever taken for ours, or killed.

# start_time PID: clock ticks since boot; empty when there is no such process or it is a zombie.
start_time() { awk '{sub(/.*\) /, ""); if ($1 != "Z") print $20}' "/proc/$1/stat" 2>/dev/null || true; }

# pid_of NAME: the id of a live process of ours.
pid_of() {
  local pid since
  [ -f "$D/run/$1.pid" ] && read -r pid since <"$D/run/$1.pid" && [ -n "$since" ] && [ "$(start_time "$pid")" = "$since" ] && echo "$pid"
}
alive() { pid_of "$1" >/dev/null; }

# start NAME COMMAND…: in a session of its own, its output in $D/log/NAME.log. Nothing happens when it runs already.
# The command must exec, never fork: its id is what is recorded. Descriptors 7 and 9 are locks of `up`, which no child may keep.
start() {
  local name=$1
  shift
  alive "$name" && return 0
  setsid "$@" </dev/null >>"$D/log/$name.log" 2>&1 7>&- 9>&- &
  echo "$! $(start_time $!)" >"$D/run/$name.pid"
}

# stop NAME SIGNAL: and KILL if that has not ended it within 10 s.
stop() {
  local pid since
  if pid=$(pid_of "$1"); then
    since=$(start_time "$pid")
    kill "-$2" "$pid" 2>/dev/null || true
    for _ in $(seq 100); do
      [ "$(start_time "$pid")" = "$since" ] || break
      sleep 0.1
    done
    [ "$(start_time "$pid")" != "$since" ] || kill -KILL "$pid" 2>/dev/null || true
  fi
  rm -f "$D/run/$1.pid"
}
