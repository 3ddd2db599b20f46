# docker.io/envoyproxy/gateway: one program, which is also the shutdown manager beside each Envoy.
FROM debian:12-slim
COPY envoy-gateway /usr/local/bin/envoy-gateway
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/envoy-gateway"]
