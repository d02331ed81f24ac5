#!/bin/bash
# Build the operator's image: `e2e/image.sh IMAGE`. By Docker where it answers, else by buildah, with a base image made of
# Debian packages in place of the python:3.13-slim that a machine with an image registry pulls.
set -euo pipefail
cd "$(dirname "$0")/.."
image=$1 base=localhost/python:3.13
if docker info >/dev/null 2>&1; then exec docker build -t "$image" .; fi

missing=$(for tool in buildah mmdebstrap; do command -v $tool >/dev/null || printf ' %s' $tool; done)
if [ -n "$missing" ]; then
  echo "image: Docker does not answer, and without it these are needed:$missing (Debian: apt-get install$missing)" >&2
  exit 1
fi
store=${XDG_CACHE_HOME:-$HOME/.cache}/beemflow-secrets/images
mkdir -p "$store"
b() { STORAGE_DRIVER=overlay buildah --root "$store/storage" --runroot "$store/run" "$@"; }

if ! b inspect --type image $base >/dev/null 2>&1; then
  echo "image: making the base image from Debian packages (a minute)" >&2
  dir=$(mktemp -d)
  trap 'rm -rf "$dir"' EXIT
  mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,ca-certificates --aptopt='Acquire::Languages "none"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' trixie "$dir/base.tar"
  printf 'FROM scratch\nADD base.tar /\nCMD ["python3"]\n' > "$dir/Dockerfile"
  b bud -q --isolation chroot -t $base "$dir" >/dev/null
fi
echo "image: building $image" >&2
# The machine's certificates are lent to the build, so that pip trusts what this machine trusts; no layer keeps them.
b bud -q --layers --isolation chroot --network host --build-arg BASE=$base \
  --volume /etc/ssl/certs/ca-certificates.crt:/etc/ssl/certs/ca-certificates.crt:ro -t "localhost/${image#localhost/}" .
