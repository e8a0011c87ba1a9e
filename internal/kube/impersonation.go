// Package kube holds what Tocsin needs of the Kubernetes API beyond its clients.
package kube

import (
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/client-go/rest"
)

// ActAs returns a configuration that acts as a ServiceAccount. Groups are left
// out on purpose: the API server adds those of the ServiceAccount itself, while
// naming them would need the right to impersonate groups.
func ActAs(cfg *rest.Config, namespace, name string) *rest.Config {
	impersonating := rest.CopyConfig(cfg)
	impersonating.Impersonate = rest.ImpersonationConfig{UserName: serviceaccount.MakeUsername(namespace, name)}
	return impersonating
}
