# docker.io/envoyproxy/envoy, in the version that Envoy Gateway pins.
FROM debian:12-slim
COPY envoy /usr/local/bin/envoy
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/envoy"]
