#!/bin/sh
# go-xla v0.4.5 writes to standard error before main runs, in every program that links its XLA backend, used or not: while
# it is initialised it looks for plugins in the home directory and in the folders of /etc/ld.so.conf, and logs an error where
# HOME is not set (a service, a container, cron). A program that does nothing but print "done" prints the line as well, too early
# for any flag or setting of klog to keep it quiet.
# Seen: with HOME nothing on standard error; without it one line that ends in "$HOME is not defined", before "done".
# It needs go and a C compiler; it fails if what was seen changes.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat > main.go <<'G'
package main

import (
	"fmt"

	_ "github.com/gomlx/go-xla/compute/xla"
)

func main() { fmt.Println("done") }
G
go mod init finding > /dev/null 2>&1
go get github.com/gomlx/go-xla@v0.4.5 > /dev/null 2>&1
go mod tidy > /dev/null 2>&1
go build -o quiet .
HOME=$work ./quiet 2> with
env -u HOME ./quiet 2> without
cat without
[ ! -s with ] && [ "$(grep -c . without)" = 1 ] && grep -q '\$HOME is not defined$' without && echo "as before"
