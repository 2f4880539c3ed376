# shellcheck shell=bash
# lib.sh — what the scripts of this folder have in common. KUBECTL is the command to use.

# The caller's words, before settings.sh adds defaults to them: what nobody named stays as the manifests have it, which people edit.
declare -A NAMED=([controller]=${CONTROLLER_IMAGE_REPO:-} [webhook-server]=${WEBHOOK_SERVER_IMAGE_REPO:-} [cri-client]=${CRI_CLIENT_IMAGE_REPO:-}
  [operator]=${OPERATOR_IMAGE_REPO:-} [busybox]=${BUSYBOX_IMAGE_REPO:-${CONTROLLER_IMAGE_REPO:-}})
TAG=${RELEASE_VERSION:-}
. "$(dirname "${BASH_SOURCE[0]}")/../images/settings.sh"
[ -z "${NAMED[busybox]}" ] || NAMED[busybox]=$BUSYBOX_IMAGE_REPO
KUBECTL=${KUBECTL:-kubectl}

# with_images: standard input with the images that the caller has named
with_images() {
  local image script=()
  for image in "${!NAMED[@]}"; do
    script+=(-e "s|([^ ]*/kubefledged-$image):([^ ]+)|${NAMED[$image]:-\1}:${TAG:-\2}|")
  done
  sed -E "${script[@]}"
}

# rolled_out NAMESPACE DEPLOYMENT: waits until it is, or shows why it is not
rolled_out() {
  $KUBECTL -n "$1" rollout status "deployment/$2" --timeout=120s && return
  $KUBECTL -n "$1" get pods -o wide
  $KUBECTL -n "$1" describe pods | sed -n '/^Events:/,$p'
  $KUBECTL -n "$1" logs "deployment/$2" --tail=50 || true
  die "$2 did not become ready within 2 minutes."
}

# webhook_answers NAMESPACE: waits until the API server gets through to the webhook server, which sets the CA bundle: it refuses what is wrong then
webhook_answers() {
  local answer wrong
  wrong='{"apiVersion": "kubefledged.io/v1alpha2", "kind": "ImageCache", "metadata": {"name": "probe", "namespace": "'$1'"},
    "spec": {"cacheSpec": [{"images": ["a:1", "a:1"]}]}}'
  for _ in {1..60}; do
    answer=$($KUBECTL create --dry-run=server -f - 2>&1 <<<"$wrong") || true
    case $answer in *"Duplicate image names"*) return ;; esac
    sleep 1
  done
  die "The API server does not get through to the webhook server: $answer"
}
