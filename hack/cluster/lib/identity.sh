# shellcheck shell=bash
# identity.sh — the names and ports that must be unlike those of any other cluster on this machine, and $D/env, which records them.

# identity_claim: takes over what is recorded, else what the caller asks for, else the first that is free.
identity_claim() {
  local port
  exec 9>/run/lock/kubefledged-cluster.lock
  flock 9
  if [ ! -f "$D/env" ]; then
    PREFIX=${PREFIX:-$(free_prefix)}
    # part of paths that are removed again
    [[ $PREFIX =~ ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$ ]] || die "PREFIX=$PREFIX is not made of lower-case letters, digits and inner dashes."
    [ ! -e "/run/netns/$PREFIX" ] ||
      die "Network namespace $PREFIX exists already: another cluster has it. Leave PREFIX unset to have a free one chosen."
    HOST_PORT=${HOST_PORT:-$(free_port 16443 1)}
    REG_PORT=${REG_PORT:-$(free_port 15000 2)}
    [[ $HOST_PORT,$REG_PORT =~ ^[1-9][0-9]{0,4},[1-9][0-9]{0,4}$ ]] || die "HOST_PORT=$HOST_PORT and REG_PORT=$REG_PORT must be numbers of ports."
    for port in "$HOST_PORT" "$REG_PORT" "$((REG_PORT + 1))"; do
      port_free "$port" || die "Port $port of 127.0.0.1 is taken. Leave HOST_PORT and REG_PORT unset to have free ones chosen."
    done
    printf 'PREFIX=%s\nHOST_PORT=%s\nREG_PORT=%s\n' "$PREFIX" "$HOST_PORT" "$REG_PORT" >"$D/env"
  fi
  load_cluster
  mkdir -p "$RUN"
  [ -e "/run/netns/$PREFIX" ] || ip netns add "$PREFIX"
  door_outside api "$HOST_PORT"
  door_outside registry "$REG_PORT"
  door_outside registry-private "$((REG_PORT + 1))"
  # the ports count as taken only once they are listened on
  wait_until "the doors on 127.0.0.1" 10 doors_listen
  exec 9>&-
}

doors_listen() {
  local port
  for port in "$HOST_PORT" "$REG_PORT" "$((REG_PORT + 1))"; do ! port_free "$port" || return 1; done
}

free_prefix() {
  local prefix=kf n=1
  while [ -e "/run/netns/$prefix" ]; do n=$((n + 1)) prefix=kf$n; done
  echo "$prefix"
}

# free_port FIRST COUNT: the first of COUNT free ones in a row.
free_port() {
  local port=$1
  while ! port_free "$port" || { [ "$2" = 2 ] && ! port_free $((port + 1)); }; do port=$((port + 10)); done
  echo "$port"
}

# identity_record NODES
identity_record() {
  cat >"$D/env.new" <<EOF
KUBECONFIG=$PKI/host-admin.kubeconfig
CONTEXT=$CONTEXT
PREFIX=$PREFIX
NODES=$1
BIN=$BIN
DATA=$D
NETNS=/run/netns/$PREFIX
BRIDGE_IP=$API_IP
HOST_PORT=$HOST_PORT
REG_PORT=$REG_PORT
REGISTRY=registry.test.local
REGISTRY_HOST_URL=http://127.0.0.1:$REG_PORT
PRIVATE_REGISTRY=private.test.local
PRIVATE_REGISTRY_HOST_URL=http://127.0.0.1:$((REG_PORT + 1))
PRIVATE_REGISTRY_USER=$PRIVATE_USER
PRIVATE_REGISTRY_PASSWORD=$PRIVATE_PASSWORD
FAULTY_REGISTRY=faulty.test.local
FAULTY_REGISTRY_ADDRESS=$API_IP:5002
SILENT_REGISTRY=silent.test.local
SILENT_REGISTRY_ADDRESS=$API_IP:5003
UNREACHABLE_REGISTRY=unreachable.test.local
UNREACHABLE_REGISTRY_ADDRESS=$API_IP:5999
EOF
  mv "$D/env.new" "$D/env"
}
