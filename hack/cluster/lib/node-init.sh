#!/bin/bash
# node-init.sh — PID 1 of one node (its own network, mount, process and host-name namespaces): containerd, kubelet, kube-proxy.
# What a pod with a hostPath expects (/run/containerd, /var/lib/kubelet, …) is at the usual paths, each node with content of its own.
# Environment: N, PREFIX, PKI and settings.sh's.
. "$(dirname "$0")/settings.sh"
. "$CLUSTER_SCRIPTS/lib/cgroups.sh"
. "$CLUSTER_SCRIPTS/lib/node-config.sh"
ND=$D/node-$N
kubeconfig=$PKI/node-$N.kubeconfig

mount --make-rprivate /
hostname "node-$N"
mkdir -p "$ND"/{containerd,kubelet,pods,containers,cni,certs.d}
printf 'nameserver %s\n' "$API_IP" >"$ND/resolv.conf"
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/containerd /run/netns /run/lock
bind() { mkdir -p "$2" && mount --bind "$1" "$2"; }
bind "$ND/containerd" /var/lib/containerd
bind "$ND/kubelet" /var/lib/kubelet
bind "$ND/pods" /var/log/pods
bind "$ND/containers" /var/log/containers
bind "$ND/cni" /etc/cni/net.d
bind "$BIN" /opt/cni/bin
resolv=$(readlink -m /etc/resolv.conf) # often a link into /run, which is empty now
mkdir -p "$(dirname "$resolv")"
[ -e "$resolv" ] || : >"$resolv"
mount --bind "$ND/resolv.conf" "$resolv"
mount --make-rshared /
echo 1 >/proc/sys/net/ipv4/ip_forward

write_registry_hosts
write_cni
write_containerd
write_kubelet
cgroup_prepare "$N"

# keep NAME COMMAND…: what systemd's Restart=always does on a real node.
keep() {
  local log=$D/log/$1-$N.log
  shift
  while :; do
    "$@" >>"$log" 2>&1 || true
    sleep 1
  done &
}

keep containerd containerd --config "$ND/containerd.toml"
until ctr version >/dev/null 2>&1; do sleep 0.05; done
[ -n "$(ctr -n k8s.io images ls -q "name==$PAUSE_IMAGE")" ] || ctr -n k8s.io images import "$PAUSE_ARCHIVE"
# the label by which the kubelet's image garbage collection leaves it alone
ctr -n k8s.io images label "$PAUSE_IMAGE" io.cri-containerd.pinned=pinned
until kubectl --kubeconfig "$kubeconfig" get --raw /readyz >/dev/null 2>&1; do sleep 0.1; done

labels=$(cat "$ND.labels" 2>/dev/null || true)
taints=$(cat "$ND.taints" 2>/dev/null || true)
keep kubelet kubelet --kubeconfig "$kubeconfig" --config "$ND/kubelet.yaml" --root-dir /var/lib/kubelet --cert-dir /var/lib/kubelet/pki \
  --hostname-override "node-$N" --node-ip "$(node_ip "$N")" --v 2 ${labels:+"--node-labels=$labels"} ${taints:+"--register-with-taints=$taints"}
# conntrack limits are the whole machine's: left as they are
keep kube-proxy kube-proxy --kubeconfig "$PKI/kube-proxy.kubeconfig" --proxy-mode nftables --hostname-override "node-$N" \
  --bind-address "$(node_ip "$N")" --cluster-cidr "$POD_CIDR_BASE.0.0/16" \
  --conntrack-max-per-core 0 --conntrack-tcp-timeout-established 0s --conntrack-tcp-timeout-close-wait 0s
# PID 1 reaps orphaned containerd shims; a bash that waits does that
while :; do wait -n 2>/dev/null || sleep 1; done
