# shellcheck shell=bash
# removal.sh — what is asked before a removal: who has installed kube-fledged, and whether the user wants all of this gone.

KUBEFLEDGEDS=kubefledgeds.charts.helm.kubefledged.io
CRD_NAMES=(imagecaches.kubefledged.io nodeimages.kubefledged.io)

# yaml_namespace COMPONENT: the namespace in which make deploy-using-yaml has installed it; nothing where it has not
yaml_namespace() {
  $KUBECTL get clusterrolebindings --field-selector "metadata.name=kubefledged-$1" -l app.kubernetes.io/managed-by!=Helm \
    -o 'jsonpath={.items[*].subjects[?(@.kind=="ServiceAccount")].namespace}'
}

# operator_namespace: where an operator is installed; nothing where there is none
operator_namespace() {
  $KUBECTL get deployments --all-namespaces --field-selector metadata.name=kubefledged-operator -o 'jsonpath={.items[*].metadata.namespace}'
}

# kubefledged_objects: `NAMESPACE NAME` of each
kubefledged_objects() {
  ! is_there crd $KUBEFLEDGEDS ||
    $KUBECTL get $KUBEFLEDGEDS --all-namespaces -o 'jsonpath={range .items[*]}{.metadata.namespace} {.metadata.name}{"\n"}{end}'
}

# helm_releases: `NAMESPACE NAME` of each release of the chart, also those of an operator
helm_releases() {
  local what='{.metadata.labels.helm\.sh/chart} {.metadata.namespace} {.metadata.annotations.meta\.helm\.sh/release-name}'
  $KUBECTL get deployments --all-namespaces -l app.kubernetes.io/managed-by=Helm -o "jsonpath={range .items[*]}$what{\"\\n\"}{end}" |
    sed -n 's/^kube-fledged-[^ ]* //p' | sort -u
}

# refuse_helm OBJECTS: ends the script where Helm has a release that is none of these KubeFledged objects
refuse_helm() {
  local releases namespace name
  releases=$(helm_releases)
  while read -r namespace name; do
    case $'\n'$1$'\n' in *$'\n'"$namespace $name"$'\n'*) continue ;; esac
    [ -z "$name" ] || die "Helm has installed kube-fledged: the release $name in the namespace $namespace. Nothing was removed." \
      "To remove that, type: helm uninstall $name -n $namespace"
  done <<<"$releases"
}

# count RESOURCE: how many objects there are in all namespaces
count() { $KUBECTL get "$1" --all-namespaces -o name | awk 'END {print NR}'; }

# confirmed NAMESPACE…: shows what is removed and from which cluster, and asks. Does not ask with YES=1, or where no terminal is there to answer.
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
