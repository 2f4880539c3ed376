# shellcheck shell=bash
# registries.sh — two registries in the hub: an open one and one with a password.

registries_up() {
  [ -f "$D/htpasswd" ] || htpasswd -Bbn "$PRIVATE_USER" "$PRIVATE_PASSWORD" >"$D/htpasswd"
  registry_config registry 5000 >"$D/registry.yaml"
  {
    registry_config registry-private 5001
    printf 'auth: {htpasswd: {realm: private, path: %s}}\n' "$D/htpasswd"
  } >"$D/registry-private.yaml"
  local name
  for name in registry registry-private; do
    start $name nsenter --net="/run/netns/$PREFIX" -- registry serve "$D/$name.yaml"
  done
  door_inside registry "$API_IP:5000"
  door_inside registry-private "$API_IP:5001"
}

registry_config() { # NAME PORT
  mkdir -p "$D/$1"
  cat <<EOF
version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: $D/$1}, delete: {enabled: true}}
http: {addr: "$API_IP:$2"}
EOF
}
