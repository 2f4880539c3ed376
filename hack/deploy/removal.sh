# shellcheck shell=bash
# removal.sh — checks before a removal: how kube-fledged was installed, and whether the user confirms.

KUBEFLEDGEDS=kubefledgeds.charts.helm.kubefledged.io
CRD_NAMES=(imagecaches.kubefledged.io nodeimages.kubefledged.io)

# yaml_namespace COMPONENT: prints the namespace in which make deploy-using-yaml has installed the component.
# Prints nothing if the component is not installed.
yaml_namespace() {
  $KUBECTL get clusterrolebindings --field-selector "metadata.name=kubefledged-$1" -l app.kubernetes.io/managed-by!=Helm \
    -o 'jsonpath={.items[*].subjects[?(@.kind=="ServiceAccount")].namespace}'
}

# operator_namespace: prints the namespaces with an operator
operator_namespace() {
  $KUBECTL get deployments --all-namespaces --field-selector metadata.name=kubefledged-operator -o 'jsonpath={.items[*].metadata.namespace}'
}

# kubefledged_objects: prints `NAMESPACE NAME` of each KubeFledged object
kubefledged_objects() {
  ! is_there crd $KUBEFLEDGEDS ||
    $KUBECTL get $KUBEFLEDGEDS --all-namespaces -o 'jsonpath={range .items[*]}{.metadata.namespace} {.metadata.name}{"\n"}{end}'
}

# helm_releases: prints `NAMESPACE NAME` of each release of the chart, including releases of an operator
helm_releases() {
  local what='{.metadata.labels.helm\.sh/chart} {.metadata.namespace} {.metadata.annotations.meta\.helm\.sh/release-name}'
  $KUBECTL get deployments --all-namespaces -l app.kubernetes.io/managed-by=Helm -o "jsonpath={range .items[*]}$what{\"\\n\"}{end}" |
    sed -n 's/^kube-fledged-[^ ]* //p' | sort -u
}

# refuse_helm OBJECTS: ends the script if Helm has a release without one of these KubeFledged objects
refuse_helm() {
  local releases namespace name
  releases=$(helm_releases)
  while read -r namespace name; do
    case $'\n'$1$'\n' in *$'\n'"$namespace $name"$'\n'*) continue ;; esac
    [ -z "$name" ] || die "Helm has installed kube-fledged: the release $name in the namespace $namespace. Nothing was removed." \
      "To remove that, type: helm uninstall $name -n $namespace"
  done <<<"$releases"
}

# count RESOURCE: prints the number of objects in all namespaces
count() { $KUBECTL get "$1" --all-namespaces -o name | awk 'END {print NR}'; }

# confirmed NAMESPACE…: shows the objects to remove and their cluster, and asks the user.
# Does not ask with YES=1 or without a terminal.
confirmed() {
  local crd objects namespace answer
  echo "kubectl's context: $($KUBECTL config view --minify -o 'jsonpath={.contexts[0].name} ({.clusters[0].cluster.server})' || echo none)"
  echo "This removes:"
  for crd in "${CRD_NAMES[@]}"; do
    if is_there crd "$crd"; then
      objects=$(count "$crd")
      echo "  the CRD $crd and its objects in all namespaces: $objects"
    fi
  done
  for namespace in "$@"; do
    if is_our_namespace "$namespace"; then
      echo "  the namespace $namespace, with everything in it"
    else
      echo "  kube-fledged in the namespace $namespace, which stays"
    fi
  done
  [ -t 0 ] && [ -z "${YES:-}" ] || return 0
  read -r -p "Remove all of this? [y/N] " answer || true
  case $answer in y | Y | yes | Yes | YES) ;; *) die "Nothing was removed." ;; esac
}
