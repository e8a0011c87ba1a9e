// Package crd holds the CustomResourceDefinitions of every kind, so that manifests are
// checked offline as the API server would.
package crd

import "embed"

// Files are the definitions, one a kind.
//
//go:embed soc.tocsin.dev_*.yaml
var Files embed.FS
