#!/bin/bash
# deploy.sh [remove] — `make deploy-using-yaml` (or `make remove-kubefledged`) in this checkout's cluster, with the images that images.sh pushed.
. "$(dirname "$0")/lib/settings.sh"
load_cluster
if [ "${1:-}" != remove ]; then
  [ -f "$D/images" ] || "$CLUSTER_SCRIPTS/images.sh"
  set -a && . "$D/images" && set +a
fi
KUBECTL=$(recorded BIN)/kubectl KUBECONFIG=$(recorded KUBECONFIG) PATH=$CALLER_PATH \
  exec make -C "$REPO" --no-print-directory "$([ "${1:-}" = remove ] && echo remove-kubefledged || echo deploy-using-yaml)"
