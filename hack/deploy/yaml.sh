#!/bin/bash
# yaml.sh apply|remove — installs or removes the product by the manifests of deploy/, in the cluster of kubectl's current context.
# CONTROLLER_IMAGE_REPO, BUSYBOX_IMAGE_REPO and RELEASE_VERSION replace the image names; KUBECTL is the command to use.
. "$(dirname "$0")/../images/settings.sh"
cd "$REPO/deploy"
KUBECTL=${KUBECTL:-kubectl}
NAMESPACE=kube-fledged
CRDS=(kubefledged-crd.yaml kubefledged-crd-nodeimages.yaml)
CRD_NAMES=(imagecaches.kubefledged.io nodeimages.kubefledged.io)
OBJECTS=(kubefledged-{serviceaccount,clusterrole,clusterrolebinding,role,rolebinding,deployment}-controller.yaml)

# with_images: standard input with the images of this build. The references in the manifests are those of the last release.
with_images() {
  sed -E -e "s|[^ ]*/kubefledged-controller:[^ ]+|$CONTROLLER_IMAGE_REPO:$RELEASE_VERSION|" \
    -e "s|[^ ]*/kubefledged-busybox:[^ ]+|$BUSYBOX_IMAGE_REPO:$RELEASE_VERSION|"
}

apply() {
  local file
  $KUBECTL apply -f kubefledged-namespace.yaml
  for file in "${CRDS[@]}"; do
    # server-side: the schema is larger than the annotation that a client-side apply keeps
    $KUBECTL apply --server-side --force-conflicts -f "$file"
  done
  $KUBECTL wait --for=condition=Established --timeout=60s "${CRD_NAMES[@]/#/crd/}"
  for file in "${OBJECTS[@]}"; do with_images <"$file" | $KUBECTL apply -f -; done
  if ! $KUBECTL -n $NAMESPACE rollout status deployment/kubefledged-controller --timeout=120s; then
    $KUBECTL -n $NAMESPACE get pods -o wide
    $KUBECTL -n $NAMESPACE describe pods | sed -n '/^Events:/,$p'
    $KUBECTL -n $NAMESPACE logs deployment/kubefledged-controller --tail=50 || true
    die "The controller did not become ready within 2 minutes."
  fi
}

# The caches go first, while the controller is there to end what it does for them.
remove() {
  local crd
  for crd in "${CRD_NAMES[@]}"; do
    [ -z "$($KUBECTL get crd "$crd" --ignore-not-found -o name)" ] || $KUBECTL delete "$crd" --all --all-namespaces --timeout=120s
  done
  for file in "${OBJECTS[@]}" "${CRDS[@]}" kubefledged-namespace.yaml; do
    $KUBECTL delete -f "$file" --ignore-not-found --timeout=120s
  done
}

case ${1:-} in
  apply | remove) "$1" ;;
  *) die "Usage: yaml.sh apply|remove" ;;
esac
