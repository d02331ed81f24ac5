#!/bin/bash
# The node's first process: sets up its network, starts every part, and ends, and all with it, when one part ends.
set -euo pipefail
read -r _                                            # until guard.sh has moved the network device's end in here
hostname "$NAME"
for folder in /run /var/lib /var/log; do mount -t tmpfs tmpfs $folder; done # runc, CNI and the kubelet write there whatever they are told
mount --make-rshared /                               # so that mounts made from here on reach the pods; the machine sees none of them
ip link set lo up
ip addr add "$NET.2/30" dev eth0
ip link set eth0 up
ip route add "$SERVICES" dev eth0                    # the API server's call to a Service needs a route before kube-proxy turns it
echo 1 > /proc/sys/net/ipv4/ip_forward

run() { local name=$1; shift; "$name" "$@" </dev/null >"$STATE/log/$name" 2>&1 & }
run etcd --data-dir "$STATE/etcd" --unsafe-no-fsync --listen-peer-urls http://127.0.0.1:0 \
  --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379
run containerd --config "$STATE/containerd.toml"
run kube-apiserver --etcd-servers http://127.0.0.1:2379 --bind-address "$NET.2" --advertise-address "$NET.2" \
  --tls-cert-file "$STATE/apiserver.crt" --tls-private-key-file "$STATE/apiserver.key" --token-auth-file "$STATE/tokens.csv" \
  --service-account-key-file "$STATE/service-accounts.key" --service-account-signing-key-file "$STATE/service-accounts.key" \
  --service-account-issuer https://kubernetes.default.svc --service-cluster-ip-range "$SERVICES" \
  --kubelet-preferred-address-types InternalIP --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction \
  --allow-privileged --audit-policy-file "$STATE/audit.json" --audit-log-path "$STATE/audit.log" --audit-log-maxsize 0
run kube-controller-manager --kubeconfig "$STATE/manager.kubeconfig" --service-account-private-key-file "$STATE/service-accounts.key" \
  --root-ca-file "$STATE/ca.crt" --use-service-account-credentials --leader-elect=false --secure-port 0
run kube-scheduler --kubeconfig "$STATE/scheduler.kubeconfig" --leader-elect=false --secure-port 0
run kubelet --config "$STATE/kubelet.yaml" --kubeconfig "$STATE/kubelet.kubeconfig" --root-dir "$STATE/kubelet" \
  --hostname-override "$NAME" --node-ip "$NET.2" --cert-dir "$STATE/kubelet/pki"
run coredns -conf "$STATE/Corefile"
run kube-proxy --config "$STATE/proxy.yaml" --hostname-override "$NAME"
wait -n
