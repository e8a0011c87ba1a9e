FROM golang:1.26 AS build
ARG VERSION=unknown
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN make build VERSION="$VERSION" && mkdir -p /out/var/lib/tocsin

# Static, and writes to its volume only: runs with a read-only root file system.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /src/bin/tocsin /tocsin
COPY --from=build --chown=65532:65532 /out/var/lib/tocsin /var/lib/tocsin
USER 65532:65532
VOLUME /var/lib/tocsin
ENTRYPOINT ["/tocsin"]
