#!/bin/bash
# yaml.sh apply|update|remove|apply-webhook-server|remove-webhook-server
# Installs, updates or removes kube-fledged or its webhook server with the manifests of deploy/.
# It works on the cluster of kubectl's current context.
#   KUBEFLEDGED_NAMESPACE  the namespace; default: the one in the manifests
#   CONTROLLER_IMAGE_REPO, WEBHOOK_SERVER_IMAGE_REPO, CRI_CLIENT_IMAGE_REPO, BUSYBOX_IMAGE_REPO,
#   RELEASE_VERSION        replace the images in the manifests
#   YES=1                  removes without a question
#   KUBECTL                the kubectl command
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/removal.sh"
cd "$REPO/deploy"
CRDS=(kubefledged-crd.yaml kubefledged-crd-nodeimages.yaml)
OBJECTS=(kubefledged-{serviceaccount,clusterrole,clusterrolebinding,role,rolebinding,deployment}-controller.yaml)
# The webhook configuration is applied last and deleted first.
# While it exists, the API server calls the webhook server.
WEBHOOK_OBJECTS=(kubefledged-{serviceaccount,clusterrole,clusterrolebinding,role,rolebinding,service,poddisruptionbudget,deployment}-webhook-server.yaml)
WEBHOOK=kubefledged-validatingwebhook.yaml
WEBHOOK_SECRET=kubefledged-webhook-server-keys

# namespaces_of_manifests: prints the namespaces in the manifests, each once.
# The name of the Namespace object counts only if the user has edited it.
namespaces_of_manifests() {
  {
    sed -n -E 's/^ +namespace: *"?([^ "#]+).*/\1/p' "${OBJECTS[@]}" "${WEBHOOK_OBJECTS[@]}" $WEBHOOK
    sed -n -E 's/^  name: *"?([^ "#]+).*/\1/p' kubefledged-namespace.yaml | sed '/^kube-fledged$/d'
  } | sort -u
}

NAMESPACE=${KUBEFLEDGED_NAMESPACE:-$(namespaces_of_manifests)}
case $NAMESPACE in
  *$'\n'*) die "The manifests in deploy/ name several namespaces: ${NAMESPACE//$'\n'/ }. Edit them to name one, or name it by KUBEFLEDGED_NAMESPACE=…" ;;
esac
a_namespace "$NAMESPACE"

# manifest FILE: prints the manifest with the namespace and the images of this installation
manifest() {
  sed -E -e "s|^( +)namespace: .*|\1namespace: $NAMESPACE|" -e "s|system:serviceaccount:[^:]*:|system:serviceaccount:$NAMESPACE:|" "$1" | with_images
}

# only_here COMPONENT TARGET: ends the script if the component is installed in another namespace.
# That installation needs the same cluster-wide objects.
only_here() {
  local there
  there=$(yaml_namespace "$1")
  [ -z "$there" ] || [ "$there" = "$NAMESPACE" ] ||
    die "kube-fledged is installed in the namespace $there, not in $NAMESPACE. Nothing was changed. For the one in $there, type: make $2 KUBEFLEDGED_NAMESPACE=$there"
}

apply_objects() {
  local file
  if ! is_there namespace "$NAMESPACE" || is_our_namespace "$NAMESPACE"; then
    namespace_manifest "$NAMESPACE" | $KUBECTL apply -f -
  fi
  for file in "${CRDS[@]}"; do
    # Server-side apply, because the schema is too large for the annotation of a client-side apply.
    $KUBECTL apply --server-side --force-conflicts -f "$file"
  done
  $KUBECTL wait --for=condition=Established --timeout=60s "${CRD_NAMES[@]/#/crd/}"
  for file in "${OBJECTS[@]}"; do manifest "$file" | $KUBECTL apply -f -; done
  rolled_out "$NAMESPACE" kubefledged-controller
}

apply() {
  only_here controller deploy-using-yaml
  apply_objects
}

apply_webhook_server() {
  local file
  only_here webhook-server deploy-webhook-server-using-yaml
  for file in "${WEBHOOK_OBJECTS[@]}"; do manifest "$file" | $KUBECTL apply -f -; done
  rolled_out "$NAMESPACE" kubefledged-webhook-server
  manifest $WEBHOOK | $KUBECTL apply -f -
  webhook_answers "$NAMESPACE"
}

generation() { $KUBECTL -n "$NAMESPACE" get deployment "$1" --ignore-not-found -o jsonpath='{.metadata.generation}'; }
# renewed DEPLOYMENT GENERATION: restarts the Deployment if it still has this generation
renewed() {
  [ "$(generation "$1")" != "$2" ] || { $KUBECTL -n "$NAMESPACE" rollout restart "deployment/$1" && rolled_out "$NAMESPACE" "$1"; }
}

update() {
  local controller webhook_server
  only_here controller update
  controller=$(generation kubefledged-controller)
  webhook_server=$(generation kubefledged-webhook-server)
  [ -n "$controller" ] || die "There is no kubefledged-controller in the namespace $NAMESPACE to update: make deploy-using-yaml installs it."
  apply_objects
  renewed kubefledged-controller "$controller"
  if [ -n "$webhook_server" ]; then
    apply_webhook_server
    renewed kubefledged-webhook-server "$webhook_server"
  fi
  $KUBECTL -n "$NAMESPACE" get pods -l app=kubefledged
}

# delete_all FILE…: deletes the objects of the files in this order
delete_all() {
  local file
  for file in "$@"; do manifest "$file" | $KUBECTL delete -f - --ignore-not-found --timeout=120s; done
}

remove_webhook_server() {
  only_here webhook-server remove-webhook-server
  delete_all $WEBHOOK "${WEBHOOK_OBJECTS[@]}"
  $KUBECTL -n "$NAMESPACE" delete secret $WEBHOOK_SECRET --ignore-not-found
}

# refuse_operator: ends the script if an operator has installed kube-fledged.
# The operator would install it again. Without the operator, the deletion of its objects would wait for ever.
refuse_operator() {
  local object operator
  object=$(kubefledged_objects | sed -n 1p)
  [ -n "$object" ] || return 0
  operator=$(operator_namespace)
  die "The operator has installed kube-fledged: the KubeFledged ${object#* } in the namespace ${object% *}. Nothing was removed." \
    "To remove it, type: make remove-kubefledged-and-operator KUBEFLEDGED_NAMESPACE=${object% *}${operator:+ OPERATOR_NAMESPACE=$operator}"
}

# remove: deletes the caches first, while the controller can still finish their purge.
# A purge takes up to 10 minutes.
remove() {
  local crd
  refuse_operator
  refuse_helm ''
  only_here controller remove-kubefledged
  confirmed "$NAMESPACE"
  remove_webhook_server
  for crd in "${CRD_NAMES[@]}"; do
    ! is_there crd "$crd" || $KUBECTL delete "$crd" --all --all-namespaces --timeout=660s
  done
  delete_all "${OBJECTS[@]}" "${CRDS[@]}"
  $KUBECTL -n "$NAMESPACE" delete lease kubefledged-controller --ignore-not-found
  delete_our_namespace "$NAMESPACE"
}

case ${1:-} in
  apply | update | remove | apply-webhook-server | remove-webhook-server) "${1//-/_}" ;;
  *) die "Usage: yaml.sh apply|update|remove|apply-webhook-server|remove-webhook-server" ;;
esac
