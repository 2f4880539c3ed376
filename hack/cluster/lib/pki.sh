# shellcheck shell=bash
# pki.sh — certificate authority, certificates, service-account key and kubeconfigs in $PKI. What exists is kept.

pki_up() {
  mkdir -p "$PKI"
  chmod 700 "$PKI"
  [ -f "$PKI/ca.crt" ] || {
    pki_key ca
    openssl req -x509 -new -key "$PKI/ca.key" -subj /CN=kubefledged-cluster -days 3650 -out "$PKI/ca.crt" \
      -addext basicConstraints=critical,CA:true -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature
  }
  certificate apiserver /CN=kube-apiserver \
    "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,DNS:localhost,IP:127.0.0.1,IP:${SERVICE_CIDR%.0/*}.1,IP:$API_IP"
  certificate apiserver-kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client
  certificate front-proxy-client /CN=front-proxy-client
  certificate admin /O=system:masters/CN=admin
  local component
  for component in kube-controller-manager kube-scheduler kube-proxy; do certificate $component "/CN=system:$component"; done
  [ -f "$PKI/sa.pub" ] || {
    openssl genrsa -out "$PKI/sa.key" 2048 2>/dev/null
    openssl rsa -in "$PKI/sa.key" -pubout -out "$PKI/sa.pub" 2>/dev/null
  }
  for component in admin kube-controller-manager kube-scheduler kube-proxy; do
    kubeconfig "$component" "https://$API_IP:6443" "$component"
  done
  kubeconfig admin "https://127.0.0.1:$HOST_PORT" host-admin
}

pki_node() { # N
  certificate "node-$1" "/O=system:nodes/CN=system:node:node-$1" "DNS:node-$1,IP:$(node_ip "$1")"
  kubeconfig "node-$1" "https://$API_IP:6443" "node-$1"
}

pki_key() { (umask 077 && openssl ecparam -name prime256v1 -genkey -noout -out "$PKI/$1.key"); }

certificate() { # NAME SUBJECT [SUBJECT_ALT_NAME]
  [ ! -f "$PKI/$1.crt" ] || return 0
  pki_key "$1"
  openssl req -new -key "$PKI/$1.key" -subj "$2" -out "$PKI/$1.csr"
  printf 'keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n%s\n' "${3:+subjectAltName=$3}" >"$PKI/$1.ext"
  openssl x509 -req -in "$PKI/$1.csr" -CA "$PKI/ca.crt" -CAkey "$PKI/ca.key" -CAcreateserial -days 3650 -extfile "$PKI/$1.ext" -out "$PKI/$1.crt" 2>/dev/null
  rm "$PKI/$1.csr" "$PKI/$1.ext"
}

kubeconfig() { # USER SERVER NAME
  cat >"$PKI/$3.kubeconfig" <<EOF
apiVersion: v1
kind: Config
clusters: [{name: $CONTEXT, cluster: {server: "$2", certificate-authority-data: $(base64 -w0 "$PKI/ca.crt")}}]
users: [{name: $1, user: {client-certificate-data: $(base64 -w0 "$PKI/$1.crt"), client-key-data: $(base64 -w0 "$PKI/$1.key")}}]
contexts: [{name: $CONTEXT, context: {cluster: $CONTEXT, user: $1}}]
current-context: $CONTEXT
EOF
}
