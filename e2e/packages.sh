#!/bin/bash
# Fetch the Debian packages that a node of our own and its images need, where they are not there.
set -euo pipefail
packages="buildah containernetworking-plugins iproute2 mmdebstrap nftables procps runc util-linux"

# shellcheck disable=SC2086 # a list
if dpkg -s $packages >/dev/null 2>&1; then exit; fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "e2e: without Docker and kind a node of our own is made, which takes root and the Debian packages $packages" >&2
  exit 1
fi
echo "e2e: fetching Debian packages: $packages" >&2
apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get install -qqy --no-install-recommends $packages >/dev/null
