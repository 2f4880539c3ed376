# shellcheck shell=bash
# node-config.sh — configuration files of node $N under $ND. Sourced by node-init.sh.

write_registry_hosts() {
  local registry dir
  for registry in $REGISTRIES; do
    dir=$ND/certs.d/${registry%%=*}
    mkdir -p "$dir"
    printf 'server = "http://%s"\n[host."http://%s"]\n  capabilities = ["pull", "resolve"]\n' "${registry#*=}" "${registry#*=}" >"$dir/hosts.toml"
  done
}

write_cni() {
  cat >"$ND/cni/10-bridge.conflist" <<EOF
{"cniVersion": "1.0.0", "name": "bridge", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "/run/cni-ipam", "ranges": [[{"subnet": "$POD_CIDR_BASE.$N.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
EOF
}

# restrict_oom_score_adj, and the kubelet's oomScoreAdj: lowering a score needs CAP_SYS_RESOURCE, which a container may lack.
write_containerd() {
  cat >"$ND/containerd.toml" <<EOF
version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
imports = []
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.internal.v1.tracing"]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
[plugins."io.containerd.cri.v1.images".registry]
  config_path = "$ND/certs.d"
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "$PAUSE_IMAGE"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["/opt/cni/bin"]
  conf_dir = "/etc/cni/net.d"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
EOF
}

# The limits on pulls (registryPullQPS 5, burst 10, serial) are left at their defaults, as on users' clusters.
write_kubelet() {
  cat >"$ND/kubelet.yaml" <<EOF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: /$PREFIX/node-$N
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $PKI/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $PKI/node-$N.crt
tlsPrivateKeyFile: $PKI/node-$N.key
serverTLSBootstrap: false
rotateCertificates: false
oomScoreAdj: 0
maxOpenFiles: 20000
failSwapOn: false
resolvConf: $ND/resolv.conf
clusterDNS: [$API_IP]
clusterDomain: cluster.local
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: "100Mi", nodefs.available: "1%", nodefs.inodesFree: "1%", imagefs.available: "1%", imagefs.inodesFree: "1%"}
kubeAPIQPS: 100
kubeAPIBurst: 200
nodeStatusUpdateFrequency: 4s
nodeLeaseDurationSeconds: 20
syncFrequency: 10s
shutdownGracePeriod: 0s
EOF
}
