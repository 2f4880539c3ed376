# shellcheck shell=bash
# lib.sh — functions for the scripts of this folder.
# The scripts need kubectl, bash 3.2 (macOS) and POSIX tools. KUBECTL is the kubectl command.

# The images that the caller names, before settings.sh adds defaults.
# All other images stay as in the manifests, because users edit the manifests.
NAMED=
[ -z "${CONTROLLER_IMAGE_REPO:-}" ] || NAMED="$NAMED controller busybox"
[ -z "${WEBHOOK_SERVER_IMAGE_REPO:-}" ] || NAMED="$NAMED webhook-server"
[ -z "${CRI_CLIENT_IMAGE_REPO:-}" ] || NAMED="$NAMED cri-client"
[ -z "${OPERATOR_IMAGE_REPO:-}" ] || NAMED="$NAMED operator"
[ -z "${BUSYBOX_IMAGE_REPO:-}" ] || NAMED="$NAMED busybox"
TAG=${RELEASE_VERSION:-}
. "$(dirname "${BASH_SOURCE[0]}")/../images/settings.sh"
KUBECTL=${KUBECTL:-kubectl}

# is_named IMAGE: succeeds if the caller has named the repository of the image
is_named() { case " $NAMED " in *" $1 "*) ;; *) return 1 ;; esac; }

# with_images: filters standard input; puts in the images that the caller has named
with_images() {
  local image name script
  script=()
  for image in "${IMAGES[@]}"; do
    name="\\1:${TAG:-\2}"
    ! is_named "$image" || name="$(repository "$image"):${TAG:-\2}"
    [ "$image" != controller ] || name=${FLEDGED_REPOSITORY:-$name}
    script+=(-e "s|([^ ]*/kubefledged-$image):([^ ]+)|$name|")
  done
  sed -E "${script[@]}"
}

# a_namespace NAME: ends the script if the name is not valid. Names become part of sed scripts.
a_namespace() {
  [[ $1 =~ ^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$ ]] || die "$1 is not a valid name of a namespace."
}

# namespace_manifest NAME [LEVEL]: prints the manifest of a namespace.
# LEVEL is its Pod Security level; default: privileged.
namespace_manifest() {
  sed -E -e "s|^  name: .*|  name: $1|" -e "s|enforce: privileged|enforce: ${2:-privileged}|" "$REPO/deploy/kubefledged-namespace.yaml"
}

# found ARGUMENT…: succeeds if `kubectl get` finds an object.
# Ends the script if kubectl fails, because a failed request does not prove that the object is missing.
found() {
  local names
  names=$($KUBECTL get "$@" -o name) || die "Nothing more was done, because kubectl get $* failed; its message is above."
  [ -n "$names" ]
}

# is_there RESOURCE NAME: succeeds if the object exists
is_there() { found "$1" "$2" --ignore-not-found; }

# is_our_namespace NAME: succeeds if these scripts have created the namespace
is_our_namespace() { found namespaces --field-selector "metadata.name=$1" -l app=kubefledged; }

# delete_our_namespace NAME: deletes the namespace if these scripts have created it
delete_our_namespace() { $KUBECTL delete namespace --field-selector "metadata.name=$1" -l app=kubefledged --timeout=120s; }

# rolled_out NAMESPACE DEPLOYMENT: waits until the Deployment is rolled out.
# If it does not roll out, shows the cause and ends the script.
rolled_out() {
  $KUBECTL -n "$1" rollout status "deployment/$2" --timeout=120s && return
  $KUBECTL -n "$1" get pods -o wide
  $KUBECTL -n "$1" describe pods | sed -n '/^Events:/,$p'
  $KUBECTL -n "$1" logs "deployment/$2" --tail=50 || true
  die "$2 did not become ready within 2 minutes."
}

# webhook_answers NAMESPACE: waits until the API server reaches the webhook server.
# The proof is that the API server refuses an invalid image cache.
webhook_answers() {
  local answer wrong
  wrong='{"apiVersion": "kubefledged.io/v1alpha2", "kind": "ImageCache", "metadata": {"name": "probe", "namespace": "'$1'"},
    "spec": {"cacheSpec": [{"images": ["a:1", "a:1"]}]}}'
  for _ in {1..60}; do
    answer=$($KUBECTL create --dry-run=server -f - 2>&1 <<<"$wrong") || true
    case $answer in *"Duplicate image names"*) return ;; esac
    sleep 1
  done
  die "The API server does not reach the webhook server: $answer"
}
