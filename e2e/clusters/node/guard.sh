#!/bin/bash
# Around a node, on the machine: makes what the node needs there, starts init.sh in namespaces of its own, and takes all
# away again when the node ends, when it is asked to (SIGTERM), or when the pipe that is its standard input ends, as it
# does when the test run dies. Only node.py calls it.
# NAME is that of the cgroups and of the network device (15 characters at most), NET the first three bytes of addresses.
set -uo pipefail
: "${NAME:?}" "${NET:?}" "${STATE:?}"
here=$(dirname "$0")

cgroups() { find /sys/fs/cgroup -depth -type d -path "*/$NAME*" 2>/dev/null | grep -E "^/sys/fs/cgroup(/[a-z,]+)?/$NAME(/|$)"; }
leave() {
  trap '' TERM HUP INT
  [ -z "${node:-}" ] || kill -KILL "$node" 2>/dev/null   # the first process of the node: with it go all, mounts and networks
  [ -z "${outer:-}" ] || wait "$outer"
  [ -z "${tether:-}" ] || kill "$tether" 2>/dev/null
  for _ in $(seq 200); do [ -e "/sys/class/net/$NAME" ] || break; sleep 0.05; done
  for _ in $(seq 200); do left=$(cgroups) || break; rmdir $left 2>/dev/null; sleep 0.05; done
  rm -rf "$STATE"/{etcd,containerd,kubelet,run,cni}
  ip route del unreachable "$NET.0/24"
}

# What is meant for a node that has ended must not leave this machine by the default route. And it is the claim: two
# nodes of one address cannot be.
ip route add unreachable "$NET.0/24" || exit 3
trap leave EXIT
trap 'exit 0' TERM HUP INT

# The kubelet wants the root of the pods' cgroups to be there, in each hierarchy.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  echo "+cpuset +cpu +memory +pids" > /sys/fs/cgroup/cgroup.subtree_control
  mkdir "/sys/fs/cgroup/$NAME"
else
  awk '$3 == "cgroup" {print $2}' /proc/mounts | while read -r mount; do mkdir "$mount/$NAME"; done
fi

mkfifo "$STATE/run/go"
# Should this script be killed without a chance to clean up, the node still ends: each dies with the one above it.
setpriv --pdeathsig KILL unshare --mount --pid --net --uts --ipc --fork --kill-child --mount-proc \
  "$here/init.sh" <"$STATE/run/go" &
outer=$!
exec 3>"$STATE/run/go"
until node=$(pgrep -P "$outer"); do kill -0 "$outer" 2>/dev/null || exit 1; sleep 0.02; done
ip link add "$NAME" type veth peer name eth0 netns "$node" || exit 1
ip addr add "$NET.1/30" dev "$NAME" && ip link set "$NAME" up || exit 1
echo go >&3
exec 3>&-

cat <&0 >/dev/null &
tether=$!
wait -n "$outer" "$tether"
exit 1
