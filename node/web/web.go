// Package web is the page.
package web

import "net/http"

// Handler serves the page's files.
func Handler() http.Handler { return http.NotFoundHandler() }
