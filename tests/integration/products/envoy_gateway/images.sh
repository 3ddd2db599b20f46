#!/usr/bin/env bash
# images.sh BUILDER DIR: makes the images that Envoy Gateway's chart names from what build.sh put into DIR.
# BUILDER is a command that takes -t TAG -f DOCKERFILE CONTEXT, as `docker build` does.
set -euo pipefail
builder=${1:?usage: images.sh BUILDER DIR} dir=${2:?usage: images.sh BUILDER DIR}
here=$(dirname "${BASH_SOURCE[0]}")

"$builder" -t docker.io/envoyproxy/gateway:v1.9.1 -f "$here/gateway.Dockerfile" "$dir"
"$builder" -t docker.io/envoyproxy/envoy:distroless-v1.39.1 -f "$here/envoy.Dockerfile" "$dir"
