// Package admission holds the manifests of the admission policies that Tocsin
// relies on, so that the operator compares what is installed with what it was
// built with.
package admission

import "embed"

// Namespace is where the manifests say that the operator runs.
const Namespace = "tocsin-system"

// Files are the manifests: each a ValidatingAdmissionPolicy and its binding.
//
//go:embed alerts.yaml approvals.yaml investigations.yaml operator.yaml requesters.yaml status.yaml
var Files embed.FS
