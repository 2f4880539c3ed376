# shellcheck shell=bash
# control-plane.sh — etcd, kube-apiserver, kube-controller-manager, kube-scheduler, CoreDNS, all in the hub.

hub_start() { # NAME COMMAND…
  local name=$1
  shift
  start "$name" nsenter --net="/run/netns/$PREFIX" -- "$@"
}

apiserver_up() {
  # without fsync: twice as fast on a slow disk, and nobody needs this cluster's data after a crash of the machine
  hub_start etcd etcd --data-dir "$D/etcd" --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
    --initial-cluster default=http://127.0.0.1:2380 --unsafe-no-fsync --log-level warn
  # aggregator routing: the API server reaches webhooks at their endpoints, as no kube-proxy runs beside it
  # shellcheck disable=SC2086  # APISERVER_EXTRA is a list of flags
  hub_start kube-apiserver kube-apiserver --etcd-servers http://127.0.0.1:2379 \
    --bind-address 0.0.0.0 --advertise-address "$API_IP" --secure-port 6443 --service-cluster-ip-range "$SERVICE_CIDR" \
    --tls-cert-file "$PKI/apiserver.crt" --tls-private-key-file "$PKI/apiserver.key" --client-ca-file "$PKI/ca.crt" \
    --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction --anonymous-auth=true --allow-privileged=true --profiling=false \
    --service-account-issuer https://kubernetes.default.svc.cluster.local \
    --service-account-key-file "$PKI/sa.pub" --service-account-signing-key-file "$PKI/sa.key" \
    --kubelet-client-certificate "$PKI/apiserver-kubelet-client.crt" --kubelet-client-key "$PKI/apiserver-kubelet-client.key" \
    --kubelet-certificate-authority "$PKI/ca.crt" --kubelet-preferred-address-types InternalIP --enable-aggregator-routing=true \
    --requestheader-client-ca-file "$PKI/ca.crt" --requestheader-allowed-names front-proxy-client \
    --requestheader-username-headers X-Remote-User --requestheader-group-headers X-Remote-Group \
    --requestheader-extra-headers-prefix X-Remote-Extra- \
    --proxy-client-cert-file "$PKI/front-proxy-client.crt" --proxy-client-key-file "$PKI/front-proxy-client.key" ${APISERVER_EXTRA:-}
  door_inside api "$API_IP:6443"
}

# Once the API server answers. The controller-manager's default of 20 requests a second would make every figure about Jobs one about
# that limit, so it is raised; KCM_EXTRA can put it back. A dead node is NotReady after 20 s instead of 50.
controllers_up() {
  local config=$PKI/kube-controller-manager.kubeconfig
  # shellcheck disable=SC2086  # KCM_EXTRA is a list of flags
  hub_start kube-controller-manager kube-controller-manager \
    --kubeconfig "$config" --authentication-kubeconfig "$config" --authorization-kubeconfig "$config" \
    --use-service-account-credentials --service-account-private-key-file "$PKI/sa.key" --root-ca-file "$PKI/ca.crt" \
    --cluster-signing-cert-file "$PKI/ca.crt" --cluster-signing-key-file "$PKI/ca.key" --leader-elect=false --allocate-node-cidrs=false \
    --node-monitor-period 2s --node-monitor-grace-period 20s --kube-api-qps 300 --kube-api-burst 600 --concurrent-job-syncs 20 ${KCM_EXTRA:-}
  config=$PKI/kube-scheduler.kubeconfig
  hub_start kube-scheduler kube-scheduler --kubeconfig "$config" --authentication-kubeconfig "$config" --authorization-kubeconfig "$config" \
    --leader-elect=false --kube-api-qps 300 --kube-api-burst 600
  dns_up
}

# Pods and nodes ask CoreDNS, which knows the cluster's Services and the registries; everything else does not exist.
dns_up() {
  local registry hosts=
  for registry in $REGISTRIES; do hosts+="    $API_IP ${registry%%=*}"$'\n'; done
  cat >"$D/db.root" <<'EOF'
. 60 IN SOA ns.invalid. hostmaster.invalid. 1 3600 600 86400 5
. 60 IN NS ns.invalid.
EOF
  cat >"$D/Corefile" <<EOF
.:53 {
  bind $API_IP
  errors
  cache 5
  hosts {
$hosts    fallthrough
  }
  kubernetes cluster.local in-addr.arpa {
    kubeconfig $PKI/admin.kubeconfig
  }
  file $D/db.root .
}
EOF
  hub_start coredns coredns -conf "$D/Corefile"
}
