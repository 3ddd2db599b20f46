#!/usr/bin/env bash
# build.sh DIR: builds Contour's program from its Go module into DIR, unless it is there. Needs Go.
set -euo pipefail
dir=$(mkdir -p "${1:?usage: build.sh DIR}" && cd "$1" && pwd)
PATH=$PATH:/usr/local/go/bin

[[ ! -e $dir/contour ]] || { echo "contour: built already"; exit 0; }
GOBIN=$dir CGO_ENABLED=0 go install github.com/projectcontour/contour/cmd/contour@v1.33.8
echo "contour: built in $SECONDS s"
