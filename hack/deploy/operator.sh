#!/bin/bash
# operator.sh apply|remove|apply-webhook-server|remove-webhook-server — installs the product by its operator, or removes both, in the cluster
# of kubectl's current context: the manifests of deploy/kubefledged-operator/deploy, and the KubeFledged object kube-fledged, whose spec has
# the values of the Helm chart. KUBEFLEDGED_NAMESPACE is the object's namespace, OPERATOR_NAMESPACE the operator's (the same where unset);
# OPERATOR_IMAGE_REPO, CONTROLLER_IMAGE_REPO, … and RELEASE_VERSION replace the image names; KUBECTL is the command to use.
. "$(dirname "$0")/lib.sh"
cd "$REPO/deploy/kubefledged-operator/deploy"
KUBEFLEDGED_NAMESPACE=${KUBEFLEDGED_NAMESPACE:-kube-fledged}
OPERATOR_NAMESPACE=${OPERATOR_NAMESPACE:-$KUBEFLEDGED_NAMESPACE}
for namespace in "$KUBEFLEDGED_NAMESPACE" "$OPERATOR_NAMESPACE"; do
  [[ $namespace =~ ^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$ ]] || die "$namespace is no name of a namespace."
done
NAME=kube-fledged
OBJECT=kubefledged/$NAME
DEFINITION=crds/charts.helm.kubefledged.io_kubefledgeds_crd.yaml
CRDS=(kubefledgeds.charts.helm.kubefledged.io imagecaches.kubefledged.io nodeimages.kubefledged.io)
OPERATOR=(service_account.yaml clusterrole.yaml clusterrole_granted.yaml clusterrole_binding.yaml role.yaml role_binding.yaml operator.yaml)

# manifest FILE: with the namespaces and the images of this installation
manifest() {
  local value script=(-e "s|namespace: .*# OPERATOR_NAMESPACE|namespace: $OPERATOR_NAMESPACE|"
    -e "s/(namespace|value): .*# KUBEFLEDGED_NAMESPACE/\1: $KUBEFLEDGED_NAMESPACE/" -e "s|^( +tag): (.*)|\1: ${TAG:-\2}|")
  declare -A values=([kubefledgedControllerRepository]=controller [kubefledgedCRIClientRepository]=cri-client
    [kubefledgedWebhookServerRepository]=webhook-server [busyboxImageRepository]=busybox)
  for value in "${!values[@]}"; do script+=(-e "s|($value): (.*)|\1: ${NAMED[${values[$value]}]:-\2}|"); done
  sed -E "${script[@]}" "$1" | with_images
}

# namespace NAME [LEVEL]: makes it where it is missing, with a Pod Security level of its own; one that is there stays as it is
namespace() {
  [ -z "$($KUBECTL get namespace "$1" --ignore-not-found -o name)" ] || return 0
  sed -e "s|name: kube-fledged|name: $1|" -e "s|enforce: privileged|enforce: ${2:-privileged}|" ../../kubefledged-namespace.yaml | $KUBECTL apply -f -
}

# field JSONPATH [FLAG…]: of the object
field() { $KUBECTL -n "$KUBEFLEDGED_NAMESPACE" get "$OBJECT" -o "jsonpath=$1" "${@:2}"; }

# deployments: of the release, by name
deployments() {
  $KUBECTL -n "$KUBEFLEDGED_NAMESPACE" get deployments -l "app.kubernetes.io/instance=$NAME,app.kubernetes.io/managed-by=Helm" \
    -o 'jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}'
}

# carried_out: waits until the operator has carried out the object as it is now, and what it made is ready
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
  local file there edit=()
  namespace "$KUBEFLEDGED_NAMESPACE"
  namespace "$OPERATOR_NAMESPACE" restricted
  $KUBECTL apply -f $DEFINITION
  $KUBECTL wait --for=condition=Established --timeout=60s "crd/${CRDS[0]}"
  for file in "${OPERATOR[@]}"; do manifest "$file" | $KUBECTL apply -f -; done
  rolled_out "$OPERATOR_NAMESPACE" kubefledged-operator
  # The manifest leaves the webhook server out, for those who begin. Where it is on, it stays; an object that does not say has it on, as the chart does.
  there=$(field '{.metadata.name}={.spec.webhookServer.enable}' --ignore-not-found)
  case $there in '' | *=false) ;; *) edit=(-e '/^  webhookServer:/,/enable:/ s/enable: false/enable: true/') ;; esac
  manifest crds/charts.helm.kubefledged.io_v1alpha2_kubefledged_cr.yaml | sed -e '' "${edit[@]}" | $KUBECTL apply -f -
  carried_out
}

# webhook_server true|false
webhook_server() {
  $KUBECTL -n "$KUBEFLEDGED_NAMESPACE" patch "$OBJECT" --type=merge --patch "{\"spec\": {\"webhookServer\": {\"enable\": $1}}}"
  carried_out
}

apply_webhook_server() {
  webhook_server true
  webhook_answers "$KUBEFLEDGED_NAMESPACE"
}

remove_webhook_server() { webhook_server false; }

# gone SECONDS RESOURCE ARGUMENT…: deletes objects and waits until their finalizers are done; nothing where there is no such resource
gone() {
  local seconds=$1 resource=$2
  shift 2
  [ -z "$($KUBECTL get crd "$resource" --ignore-not-found -o name)" ] || $KUBECTL delete "$resource" "$@" --ignore-not-found --timeout="${seconds}s"
}

# First what waits for the controller, then what waits for the operator.
remove() {
  local i namespace
  gone 660 imagecaches.kubefledged.io --all --all-namespaces
  gone 360 "${CRDS[0]}" --all --all-namespaces ||
    die "KubeFledged objects wait for an operator that does not uninstall them; see: $KUBECTL -n $OPERATOR_NAMESPACE logs deployment/kubefledged-operator"
  for ((i = ${#OPERATOR[@]} - 1; i >= 0; i--)); do manifest "${OPERATOR[i]}" | $KUBECTL delete -f - --ignore-not-found --timeout=120s; done
  $KUBECTL delete crd "${CRDS[@]}" --ignore-not-found --timeout=120s
  $KUBECTL -n "$KUBEFLEDGED_NAMESPACE" delete lease kubefledged-controller --ignore-not-found
  $KUBECTL -n "$OPERATOR_NAMESPACE" delete lease kubefledged-operator --ignore-not-found
  for namespace in $(printf '%s\n' "$KUBEFLEDGED_NAMESPACE" "$OPERATOR_NAMESPACE" | sort -u); do
    # one that was there before stays
    $KUBECTL delete namespace --field-selector "metadata.name=$namespace" -l app=kubefledged --timeout=120s
  done
}

case ${1:-} in
  apply | remove | apply-webhook-server | remove-webhook-server) "${1//-/_}" ;;
  *) die "Usage: operator.sh apply|remove|apply-webhook-server|remove-webhook-server" ;;
esac
