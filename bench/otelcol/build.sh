#!/bin/sh
# Builds the OpenTelemetry Collector for `bench/compare.py` and tests/integration/shippers: bench/otelcol/build.sh DIR
# makes DIR/otelcol/otelcol. It needs Go and takes some minutes.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cd "$1"
GOBIN=$PWD go install go.opentelemetry.io/collector/cmd/builder@v0.160.0
# It writes the sources and then fails at modules that only tests need; -e continues without them.
./builder --config "$here/builder.yaml" --skip-compilation || true
cd otelcol
go mod tidy -e
go build -trimpath -ldflags='-s -w' -o otelcol .
echo "$PWD/otelcol"
