# shellcheck shell=bash
# oci-archive.sh — an image of one layer as an OCI archive, which `ctr images import` and `skopeo copy oci-archive:` read. The same
# content always gives the same digest.

# oci_archive OUT REFERENCE ROOT_DIR CONFIG_JSON
oci_archive() {
  local work layer config manifest diff_id
  work=$(mktemp -d)
  mkdir -p "$work/blobs/sha256"
  tar -C "$3" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -cf "$work/layer.tar" .
  diff_id=$(sha256sum <"$work/layer.tar" | cut -d' ' -f1)
  gzip -n "$work/layer.tar"
  layer=$(oci_blob "$work" application/vnd.oci.image.layer.v1.tar+gzip <"$work/layer.tar.gz")
  config=$(printf '{"architecture":"%s","os":"linux","config":%s,"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    "$(dpkg --print-architecture)" "$4" "$diff_id" | oci_blob "$work" application/vnd.oci.image.config.v1+json)
  manifest=$(printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":%s,"layers":[%s]}' \
    "$config" "$layer" | oci_blob "$work" application/vnd.oci.image.manifest.v1+json)
  printf '{"schemaVersion":2,"manifests":[%s,"annotations":{"io.containerd.image.name":"%s"}}]}' "${manifest%\}}" "$2" >"$work/index.json"
  printf '{"imageLayoutVersion":"1.0.0"}' >"$work/oci-layout"
  tar -C "$work" -cf "$1" oci-layout index.json blobs
  rm -rf "$work"
}

# oci_blob DIR MEDIA_TYPE: stores standard input, prints its descriptor.
oci_blob() {
  local digest
  cat >"$1/blob"
  digest=$(sha256sum <"$1/blob" | cut -d' ' -f1)
  printf '{"mediaType":"%s","digest":"sha256:%s","size":%d}' "$2" "$digest" "$(stat -c %s "$1/blob")"
  mv "$1/blob" "$1/blobs/sha256/$digest"
}
