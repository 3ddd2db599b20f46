# ghcr.io/projectcontour/contour: one program, which also manages the shutdown of each Envoy.
FROM debian:12-slim
COPY contour /bin/contour
