#!/usr/bin/env bash
# images.sh BUILDER DIR: makes the images that Contour's manifests name from what build.sh put into DIR.
# BUILDER is a command that takes -t TAG -f DOCKERFILE CONTEXT, as `docker build` does.
set -euo pipefail
builder=${1:?usage: images.sh BUILDER DIR} dir=${2:?usage: images.sh BUILDER DIR}
here=$(dirname "${BASH_SOURCE[0]}")

"$builder" -t ghcr.io/projectcontour/contour:v1.33.8 -f "$here/contour.Dockerfile" "$dir"
"$builder" -t docker.io/envoyproxy/envoy:distroless-v1.38.3 -f "$here/envoy.Dockerfile" "$here"
