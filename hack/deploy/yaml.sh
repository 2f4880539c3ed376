#!/bin/bash
# yaml.sh apply|update|remove|apply-webhook-server|remove-webhook-server — installs, updates or removes the product, or its webhook server, by
# the manifests of deploy/, in the cluster of kubectl's current context. CONTROLLER_IMAGE_REPO, WEBHOOK_SERVER_IMAGE_REPO,
# CRI_CLIENT_IMAGE_REPO, BUSYBOX_IMAGE_REPO and RELEASE_VERSION replace what the manifests say of images; KUBECTL is the command to use.
. "$(dirname "$0")/lib.sh"
cd "$REPO/deploy"
NAMESPACE=kube-fledged
CRDS=(kubefledged-crd.yaml kubefledged-crd-nodeimages.yaml)
CRD_NAMES=(imagecaches.kubefledged.io nodeimages.kubefledged.io)
OBJECTS=(kubefledged-{serviceaccount,clusterrole,clusterrolebinding,role,rolebinding,deployment}-controller.yaml)
# The configuration is last to come and first to go: with it, the API server asks the webhook server.
WEBHOOK_OBJECTS=(kubefledged-{serviceaccount,clusterrole,clusterrolebinding,role,rolebinding,service,poddisruptionbudget,deployment}-webhook-server.yaml)
WEBHOOK=kubefledged-validatingwebhook.yaml
WEBHOOK_SECRET=kubefledged-webhook-server-keys

apply() {
  local file
  $KUBECTL apply -f kubefledged-namespace.yaml
  for file in "${CRDS[@]}"; do
    # server-side: the schema is larger than the annotation that a client-side apply keeps
    $KUBECTL apply --server-side --force-conflicts -f "$file"
  done
  $KUBECTL wait --for=condition=Established --timeout=60s "${CRD_NAMES[@]/#/crd/}"
  for file in "${OBJECTS[@]}"; do with_images <"$file" | $KUBECTL apply -f -; done
  rolled_out $NAMESPACE kubefledged-controller
}

apply_webhook_server() {
  local file
  for file in "${WEBHOOK_OBJECTS[@]}"; do with_images <"$file" | $KUBECTL apply -f -; done
  rolled_out $NAMESPACE kubefledged-webhook-server
  $KUBECTL apply -f $WEBHOOK
  webhook_answers $NAMESPACE
}

generation() { $KUBECTL -n $NAMESPACE get deployment "$1" --ignore-not-found -o jsonpath='{.metadata.generation}'; }
# renewed DEPLOYMENT GENERATION: restarts it where applying its manifest has not
renewed() {
  [ "$(generation "$1")" != "$2" ] || { $KUBECTL -n $NAMESPACE rollout restart "deployment/$1" && rolled_out $NAMESPACE "$1"; }
}

update() {
  local controller webhook_server
  controller=$(generation kubefledged-controller)
  webhook_server=$(generation kubefledged-webhook-server)
  [ -n "$controller" ] || die "There is no kubefledged-controller in the namespace $NAMESPACE to update: make deploy-using-yaml installs it."
  apply
  renewed kubefledged-controller "$controller"
  if [ -n "$webhook_server" ]; then
    apply_webhook_server
    renewed kubefledged-webhook-server "$webhook_server"
  fi
  $KUBECTL -n $NAMESPACE get pods -l app=kubefledged
}

remove_webhook_server() {
  local file
  for file in $WEBHOOK "${WEBHOOK_OBJECTS[@]}"; do $KUBECTL delete -f "$file" --ignore-not-found --timeout=120s; done
  $KUBECTL -n $NAMESPACE delete secret $WEBHOOK_SECRET --ignore-not-found
}

# The caches go first, while the controller is there to end what it does for them: a purge has 10 minutes.
remove() {
  local crd operator=kubefledgeds.charts.helm.kubefledged.io
  # they would wait for ever for an operator that goes with the namespace
  [ -z "$($KUBECTL get crd $operator --ignore-not-found -o name)" ] || [ -z "$($KUBECTL -n $NAMESPACE get $operator -o name)" ] ||
    die "This was installed by the operator; remove it by: make remove-kubefledged-and-operator"
  remove_webhook_server
  for crd in "${CRD_NAMES[@]}"; do
    [ -z "$($KUBECTL get crd "$crd" --ignore-not-found -o name)" ] || $KUBECTL delete "$crd" --all --all-namespaces --timeout=660s
  done
  for file in "${OBJECTS[@]}" "${CRDS[@]}" kubefledged-namespace.yaml; do
    $KUBECTL delete -f "$file" --ignore-not-found --timeout=120s
  done
}

case ${1:-} in
  apply | update | remove | apply-webhook-server | remove-webhook-server) "${1//-/_}" ;;
  *) die "Usage: yaml.sh apply|update|remove|apply-webhook-server|remove-webhook-server" ;;
esac
