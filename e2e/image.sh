#!/bin/bash
# Build an image, or write one to an archive: by Docker where it answers, else by buildah, with a base image made of Debian
# packages in place of the python:3.13-slim that a machine with an image registry pulls.
#   e2e/image.sh IMAGE [DOCKERFILE]       the operator's, or that of another Dockerfile
#   e2e/image.sh --save IMAGE ARCHIVE     prints the image's name in the archive
set -euo pipefail
cd "$(dirname "$0")/.."
base=localhost/python:3.13
docker_answers() { docker info >/dev/null 2>&1; }

if [ "$1" = --save ]; then
  name=localhost/${2#localhost/} archive=$3
  echo "$name"
  if docker_answers; then docker tag "$2" "$name" && exec docker save --output "$archive" "$name"; fi
elif docker_answers; then
  exec docker build -t "$1" -f "${2:-Dockerfile}" .
fi

missing=$(for tool in buildah mmdebstrap; do command -v $tool >/dev/null || printf ' %s' $tool; done)
if [ -n "$missing" ]; then
  echo "image: Docker does not answer, and without it these are needed:$missing (Debian: apt-get install$missing)" >&2
  exit 1
fi
store=${XDG_CACHE_HOME:-$HOME/.cache}/beemflow-secrets/images
mkdir -p "$store"
b() { STORAGE_DRIVER=overlay buildah --root "$store/storage" --runroot "$store/run" "$@"; }

if [ "$1" = --save ]; then
  rm -f "$archive"
  b push --quiet "$name" "docker-archive:$archive:$name" >&2
  exit
fi
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
image=$1 dockerfile=${2:-Dockerfile}
echo "image: building $image" >&2
# The machine's certificates are lent to the build, so that pip trusts what this machine trusts; no layer keeps them.
b bud -q --layers --isolation chroot --network host --build-arg BASE=$base \
  --volume /etc/ssl/certs/ca-certificates.crt:/etc/ssl/certs/ca-certificates.crt:ro \
  -t "localhost/${image#localhost/}" -f "$dockerfile" .
echo "image: push it by buildah --root $store/storage --runroot $store/run push localhost/${image#localhost/} docker://$image" >&2
