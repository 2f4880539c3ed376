#!/bin/bash
# kind.sh up [NODES] | down — the same cluster by kind, for a machine with Docker and without root (kind 0.27 or newer). Its registry is kind's usual one:
# a container that the nodes reach as registry.test.local. Tests that cut power or run a misbehaving registry need the other cluster.
set -euo pipefail
repo=$(cd "$(dirname "$0")/../.." && pwd)
dir=${CLUSTER_DIR:-$repo/.cache/cluster}
name=${KIND_NAME:-kubefledged}
registry=$name-registry
port=${REG_PORT:-15000}
for program in docker kind kubectl; do
  command -v $program >/dev/null || { echo "CLUSTER=kind needs $program in PATH." >&2; exit 1; }
done
docker info >/dev/null 2>&1 || { echo "CLUSTER=kind needs a Docker engine that answers (docker info)." >&2; exit 1; }

up() {
  local nodes=${1:-2} n
  mkdir -p "$dir"
  docker start "$registry" >/dev/null 2>&1 ||
    docker run -d --restart=always -p "127.0.0.1:$port:5000" --name "$registry" registry:3 >/dev/null
  if ! kind get clusters 2>/dev/null | grep -qx "$name"; then
    {
      printf 'kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes:\n- role: control-plane\n'
      for n in $(seq "$nodes"); do echo '- role: worker'; done
    } | kind create cluster --name "$name" --kubeconfig "$dir/kubeconfig" --wait 180s --config -
  fi
  docker network connect kind "$registry" 2>/dev/null || true # refused when it is connected already
  for n in $(kind get nodes --name "$name"); do
    docker exec "$n" mkdir -p /etc/containerd/certs.d/registry.test.local
    printf '[host."http://%s:5000"]\n' "$registry" | docker exec -i "$n" tee /etc/containerd/certs.d/registry.test.local/hosts.toml >/dev/null
  done
  printf '%s\n' "KUBECONFIG=$dir/kubeconfig" "CONTEXT=kind-$name" "PREFIX=$name" "NODES=$nodes" "BIN=$(dirname "$(command -v kubectl)")" "DATA=$dir" \
    "REG_PORT=$port" REGISTRY=registry.test.local "REGISTRY_HOST_URL=http://127.0.0.1:$port" >"$dir/env"
}

down() {
  kind delete cluster --name "$name" --kubeconfig "$dir/kubeconfig"
  docker rm -f "$registry" >/dev/null 2>&1 || true
  rm -rf "$dir"
}

case ${1:-} in
  up) up "${2:-2}" ;;
  down) down ;;
  *) echo "Usage: kind.sh up [NODES] | down" >&2; exit 2 ;;
esac
