#!/bin/bash
# operator.sh apply|remove|apply-webhook-server|remove-webhook-server
# Installs the operator, which installs kube-fledged, or removes both.
# It works on the cluster of kubectl's current context.
# It applies the manifests of deploy/kubefledged-operator/deploy and the KubeFledged object kube-fledged.
# The spec of that object has the values of the Helm chart.
#   KUBEFLEDGED_NAMESPACE  namespace of the object
#   OPERATOR_NAMESPACE     namespace of the operator; default: the same
#   OPERATOR_IMAGE_REPO, CONTROLLER_IMAGE_REPO, …, RELEASE_VERSION
#                          replace the images in the manifests
#   YES=1                  removes without a question
#   KUBECTL                the kubectl command
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/removal.sh"
cd "$REPO/deploy/kubefledged-operator/deploy"
KUBEFLEDGED_NAMESPACE=${KUBEFLEDGED_NAMESPACE:-kube-fledged}
OPERATOR_NAMESPACE=${OPERATOR_NAMESPACE:-$KUBEFLEDGED_NAMESPACE}
a_namespace "$KUBEFLEDGED_NAMESPACE"
a_namespace "$OPERATOR_NAMESPACE"
NAME=kube-fledged
OBJECT=kubefledged/$NAME
DEFINITION=crds/charts.helm.kubefledged.io_kubefledgeds_crd.yaml
CRD_NAMES=($KUBEFLEDGEDS "${CRD_NAMES[@]}")
OPERATOR=(service_account.yaml clusterrole.yaml clusterrole_granted.yaml clusterrole_binding.yaml role.yaml role_binding.yaml operator.yaml)

# manifest FILE: prints the manifest with the namespaces and the images of this installation
manifest() {
  local value script
  script=(-e "s|namespace: .*# OPERATOR_NAMESPACE|namespace: $OPERATOR_NAMESPACE|"
    -e "s/(namespace|value): .*# KUBEFLEDGED_NAMESPACE/\1: $KUBEFLEDGED_NAMESPACE/" -e "s|^( +tag): (.*)|\1: ${TAG:-\2}|")
  for value in kubefledgedControllerRepository=controller kubefledgedCRIClientRepository=cri-client \
    kubefledgedWebhookServerRepository=webhook-server busyboxImageRepository=busybox; do
    ! is_named "${value#*=}" || script+=(-e "s|(${value%=*}): .*|\1: $(repository "${value#*=}")|")
  done
  sed -E "${script[@]}" "$1" | with_images
}

# namespace NAME [LEVEL]: creates the namespace with this Pod Security level.
# An existing namespace stays as it is.
namespace() { is_there namespace "$1" || namespace_manifest "$@" | $KUBECTL apply -f -; }

# field JSONPATH [FLAG…]: prints a field of the KubeFledged object
field() { $KUBECTL -n "$KUBEFLEDGED_NAMESPACE" get "$OBJECT" -o "jsonpath=$1" "${@:2}"; }

# deployments: prints the names of the release's Deployments
deployments() {
  $KUBECTL -n "$KUBEFLEDGED_NAMESPACE" get deployments -l "app.kubernetes.io/instance=$NAME,app.kubernetes.io/managed-by=Helm" \
    -o 'jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}'
}

# carried_out: waits until the operator has deployed the object's current spec and the Deployments are ready
carried_out() {
  local end=$((SECONDS + 300)) wrong='{.status.conditions[?(@.type=="ReleaseFailed")].message}{.status.conditions[?(@.type=="Irreconcilable")].message}'
  until [ "$(field '{.metadata.generation}')" = "$(field '{.status.observedGeneration}')" ]; do
    [ $SECONDS -lt $end ] || die "The operator did not carry out $OBJECT within 5 minutes; see: $KUBECTL -n $OPERATOR_NAMESPACE logs deployment/kubefledged-operator"
    sleep 1
  done
  wrong=$(field "$wrong")
  [ -z "$wrong" ] || die "$OBJECT: $wrong"
  local deployment
  for deployment in $(deployments); do rolled_out "$KUBEFLEDGED_NAMESPACE" "$deployment"; done
}

apply() {
  local file there edit=
  namespace "$KUBEFLEDGED_NAMESPACE"
  namespace "$OPERATOR_NAMESPACE" restricted
  $KUBECTL apply -f $DEFINITION
  $KUBECTL wait --for=condition=Established --timeout=60s "crd/$KUBEFLEDGEDS"
  for file in "${OPERATOR[@]}"; do manifest "$file" | $KUBECTL apply -f -; done
  rolled_out "$OPERATOR_NAMESPACE" kubefledged-operator
  # The manifest has the webhook server off, for a simple start. If the webhook server is on, it stays on.
  # An object without this field has it on, because that is the chart's default.
  there=$(field '{.metadata.name}={.spec.webhookServer.enable}' --ignore-not-found)
  case $there in '' | *=false) ;; *) edit='/^  webhookServer:/,/enable:/ s/enable: false/enable: true/' ;; esac
  manifest crds/charts.helm.kubefledged.io_v1alpha2_kubefledged_cr.yaml | sed "$edit" | $KUBECTL apply -f -
  carried_out
}

# webhook_server true|false: switches the webhook server on or off
webhook_server() {
  $KUBECTL -n "$KUBEFLEDGED_NAMESPACE" patch "$OBJECT" --type=merge --patch "{\"spec\": {\"webhookServer\": {\"enable\": $1}}}"
  carried_out
}

apply_webhook_server() {
  webhook_server true
  webhook_answers "$KUBEFLEDGED_NAMESPACE"
}

remove_webhook_server() { webhook_server false; }

# gone SECONDS RESOURCE: deletes all objects and waits for their finalizers.
# Does nothing if the CRD does not exist.
gone() { ! is_there crd "$2" || $KUBECTL delete "$2" --all --all-namespaces --ignore-not-found --timeout="${1}s"; }

# refuse_others: ends the script if kube-fledged was installed in another way,
# or if the operator is in another namespace
refuse_others() {
  local objects operator yaml
  objects=$(kubefledged_objects)
  operator=$(operator_namespace)
  yaml=$(yaml_namespace controller)
  [ -z "$yaml" ] || [ -n "$objects$operator" ] ||
    die "There is no operator: make deploy-using-yaml has installed kube-fledged in the namespace $yaml. Nothing was removed." \
      "To remove it, type: make remove-kubefledged KUBEFLEDGED_NAMESPACE=$yaml"
  case " ${operator:-$OPERATOR_NAMESPACE} " in
    *" $OPERATOR_NAMESPACE "*) ;;
    *) die "The operator is in the namespace $operator, not in $OPERATOR_NAMESPACE. Nothing was removed." \
      "Name its namespace by OPERATOR_NAMESPACE=, and that of kube-fledged by KUBEFLEDGED_NAMESPACE=" ;;
  esac
  refuse_helm "$objects"
}

# remove: deletes the caches first, because their finalizers need the controller.
# Then it deletes the KubeFledged objects, because their finalizers need the operator.
remove() {
  local i namespace namespaces
  namespaces=$(printf '%s\n' "$KUBEFLEDGED_NAMESPACE" "$OPERATOR_NAMESPACE" | sort -u)
  refuse_others
  confirmed $namespaces
  gone 660 imagecaches.kubefledged.io
  gone 360 $KUBEFLEDGEDS ||
    die "KubeFledged objects wait for an operator that does not uninstall them; see: $KUBECTL -n $OPERATOR_NAMESPACE logs deployment/kubefledged-operator"
  for ((i = ${#OPERATOR[@]} - 1; i >= 0; i--)); do manifest "${OPERATOR[i]}" | $KUBECTL delete -f - --ignore-not-found --timeout=120s; done
  $KUBECTL delete crd "${CRD_NAMES[@]}" --ignore-not-found --timeout=120s
  $KUBECTL -n "$KUBEFLEDGED_NAMESPACE" delete lease kubefledged-controller --ignore-not-found
  $KUBECTL -n "$OPERATOR_NAMESPACE" delete lease kubefledged-operator --ignore-not-found
  for namespace in $namespaces; do delete_our_namespace "$namespace"; done
}

case ${1:-} in
  apply | remove | apply-webhook-server | remove-webhook-server) "${1//-/_}" ;;
  *) die "Usage: operator.sh apply|remove|apply-webhook-server|remove-webhook-server" ;;
esac
