# shellcheck shell=bash
# network.sh — a hub (network namespace PREFIX with a bridge) and a namespace per node, linked to it. None has a route off the machine;
# programs outside come in through doors on 127.0.0.1.

hub_up() {
  in_hub ip link show br0 >/dev/null 2>&1 && return 0
  in_hub ip link set lo up
  in_hub ip link add br0 type bridge
  in_hub ip addr add "$API_IP/24" dev br0
  in_hub ip link set br0 up
  in_hub sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
}

# node_link N: idempotent.
node_link() {
  local ns
  ns=$(node_netns "$1")
  if [ ! -e "/run/netns/$ns" ]; then
    ip netns add "$ns"
    ip -n "$PREFIX" link add "v$1" type veth peer name eth0 netns "$ns"
    ip -n "$PREFIX" link set "v$1" master br0 up
    ip -n "$ns" link set lo up
    ip -n "$ns" addr add "$(node_ip "$1")/24" dev eth0
    ip -n "$ns" link set eth0 up
    ip -n "$ns" route add default via "$API_IP"
  fi
  ip -n "$PREFIX" route replace "$POD_CIDR_BASE.$1.0/24" via "$(node_ip "$1")"
}

# pod_routes: every node's way to every other node's pods.
pod_routes() {
  local from to
  for from in $(node_numbers); do
    [ -e "/run/netns/$(node_netns "$from")" ] || continue
    for to in $(node_numbers); do
      [ "$from" = "$to" ] || ip -n "$(node_netns "$from")" route replace "$POD_CIDR_BASE.$to.0/24" via "$(node_ip "$to")"
    done
  done
}

node_unlink() { # N: a veth goes with either of its ends
  [ ! -e "/run/netns/$(node_netns "$1")" ] || ip netns del "$(node_netns "$1")"
}

port_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Doors: 127.0.0.1:PORT -> a unix socket, which namespaces do not part -> the hub. The sockets are not in $D because their paths may have 107 bytes at most.
door_outside() { # NAME PORT
  alive "door-$1-outside" || port_free "$2" ||
    die "Port $2 of 127.0.0.1 is taken by another program. End that, or make cluster-down and let free ports be chosen (leave HOST_PORT, REG_PORT unset)."
  start "door-$1-outside" socat "TCP-LISTEN:$2,bind=127.0.0.1,fork,reuseaddr" "UNIX-CONNECT:$RUN/$1.sock"
}
door_inside() { # NAME HOST:PORT
  start "door-$1-inside" nsenter --net="/run/netns/$PREFIX" -- socat "UNIX-LISTEN:$RUN/$1.sock,fork,unlink-early" "TCP:$2"
}
