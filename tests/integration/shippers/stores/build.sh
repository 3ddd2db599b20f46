#!/bin/sh
# Builds the log stores that tests/integration/shippers sends to: tests/integration/shippers/stores/build.sh DIR makes
# DIR/victoria-logs, unless it is there. It needs Go, and takes a minute from an empty cache.
set -eu
version=v1.52.1
program=$1/victoria-logs
mkdir -p "$1"
if [ -x "$program" ] && go version -m "$program" | grep -q "VictoriaLogs.$version"; then
  echo "$program is of $version already"
else
  echo "building VictoriaLogs $version"
  GOBIN=$(cd "$1" && pwd) CGO_ENABLED=0 go install "github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs@$version"
  echo "$program"
fi
