# A small image that runs one murmur node as an unprivileged user.
#
#   docker build -t murmur .
#   docker run --rm -v murmur:/data murmur join 'LINK'
#   docker run -d --name murmur -v murmur:/data -p 4101:4101/udp -p 4101:4101/tcp murmur
#
# Give the last one -e MURMUR_XLA_INSTALL=1 to let it download the XLA plugin
# into the volume at its first start. .ci/run runs the RUN lines below without
# docker.
FROM golang:1.26-bookworm AS build
ARG VERSION=0.1.0-dev
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=1 go build -ldflags "-s -w -X main.version=$VERSION" -o /out/bin/murmur ./cmd/murmur
RUN install -d -m 0700 -o 65532 -g 65532 /out/data

# glibc and libstdc++, which XLA's plugins need, come with Debian.
FROM debian:bookworm-slim
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/bin/ /usr/local/bin/
COPY --from=build --chown=65532:65532 /out/data /data
ENV HOME=/data MURMUR_DATA=/data
USER 65532:65532
VOLUME /data
EXPOSE 4101/udp 4101/tcp
ENTRYPOINT ["murmur"]
CMD ["up"]
