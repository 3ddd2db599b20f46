# shellcheck shell=bash
# Shared by the scripts in this folder: where things are, stages, packages and the cluster.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cluster=$(cd ../shared/cluster && pwd)
exec </dev/null
export CI=true DEBIAN_FRONTEND=noninteractive PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
unset KUBECONFIG

stage() { printf '\n=== %s (%d min %02d s so far)\n' "$1" $((SECONDS / 60)) $((SECONDS % 60)); }

# packages COMMAND=PACKAGE...: installs what is missing
packages() {
  local pair missing=()
  for pair; do command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}"); done
  python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
  ((${#missing[@]})) || return 0
  apt-get -qq update
  # RUNLEVEL=1: the services of packages must not start.
  RUNLEVEL=1 apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
}

# up [control-plane]: starts the cluster, and makes the later commands use it
up() {
  KUBECONFIG=$("$cluster/up" "$@" | tail -n 1)
  export KUBECONFIG PATH=${KUBECONFIG%/*}/bin:$PATH
}

down() { "$cluster/down" >/dev/null 2>&1 || true; }

# images: builds what deploy/ runs, for the node
images() {
  "$cluster/build" -t enricher:0.1.0 --target enricher .
  "$cluster/build" -t backend:0.1.0 --target backend .
}

# need_go COMMAND PACKAGE@VERSION: builds a command, if it is missing; Go's own directory may not be on PATH
need_go() {
  command -v "$1" >/dev/null || GOBIN=/usr/local/bin PATH=$PATH:/usr/local/go/bin go install "$2"
}

need_helm() { need_go helm helm.sh/helm/v3/cmd/helm@v3.19.5; }
