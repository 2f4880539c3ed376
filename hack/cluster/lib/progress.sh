# shellcheck shell=bash
# progress.sh — says at which step of how many a build is, how long the step usually takes, and how long all of it still takes.
# The caller sets STEPS, lines of NAME=SECONDS in the order of the steps; step and finished go around each step.

# progress_begin: before the first step.
progress_begin() {
  progress_began=$SECONDS progress_done=0 progress_usual_done=0
  progress_count=$(wc -l <<<"$STEPS")
  progress_usual_all=$(awk -F= '{sum += $2} END {print sum}' <<<"$STEPS")
}

# step NAME
step() {
  local elapsed=$((SECONDS - progress_began)) left
  progress_name=$1
  progress_usual=$(sed -n "s/^$1=//p" <<<"$STEPS")
  [ -n "$progress_usual" ] || die "STEPS has no line for $1."
  progress_done=$((progress_done + 1))
  left=$((progress_usual_all - progress_usual_done))
  # Later steps are taken to be as fast or slow, compared to what is usual, as those before were.
  [ "$progress_usual_done" = 0 ] || left=$((left * elapsed / progress_usual_done))
  progress_say "usually $(duration "$progress_usual"); $(duration "$elapsed") so far, about $(duration "$left") left"
  progress_step_began=$SECONDS
}

# finished: ends the step.
finished() {
  progress_usual_done=$((progress_usual_done + progress_usual))
  progress_say "done in $(duration $((SECONDS - progress_step_began)))"
}

progress_say() { echo "[$progress_done/$progress_count] $progress_name … $1"; }

# duration SECONDS: "45 s", "10 min 20 s"
duration() {
  if [ "$1" -lt 60 ]; then echo "$1 s"; else echo "$(($1 / 60)) min $(($1 % 60)) s"; fi
}
