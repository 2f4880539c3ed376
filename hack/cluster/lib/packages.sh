# shellcheck shell=bash
# packages.sh — Debian packages, installed when missing.

# need_packages PACKAGE…: says what it would need where it cannot install.
need_packages() {
  local package missing=()
  command -v apt-get >/dev/null ||
    die "This needs Debian or Ubuntu (apt-get) to install: $*. Elsewhere use CLUSTER=kind with Docker and kind."
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  echo "Installing Debian packages: ${missing[*]}"
  apt-get update -q >/dev/null || die "apt-get update failed; needed and missing: ${missing[*]}"
  DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}" >/dev/null ||
    die "apt-get could not install: ${missing[*]}"
}
