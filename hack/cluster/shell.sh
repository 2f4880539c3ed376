#!/bin/bash
# shell.sh — an interactive shell for the cluster: KUBECONFIG set, kubectl and helm in PATH.
. "$(dirname "$0")/lib/settings.sh"
load_cluster
set +u
echo "Cluster $PREFIX with $(recorded NODES) nodes. On a node: hack/cluster/exec.sh 1 ctr -n k8s.io images ls"
KUBECONFIG=$(recorded KUBECONFIG) PATH=$BIN:$CALLER_PATH exec "${SHELL:-/bin/bash}" "$@"
