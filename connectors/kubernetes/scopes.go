package kubernetes

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

// scopesFreshness is how late a new kind is known to live in no namespace; until
// then it counts as namespaced.
const scopesFreshness = time.Minute

// clusterScoped are the resources that live in no namespace.
type clusterScoped map[schema.GroupResource]bool

// readScopes asks what is served. Groups whose own server does not answer are
// left out, so that what they serve counts as namespaced.
func (c *cluster) readScopes(ctx context.Context) (clusterScoped, error) {
	_, lists, err := c.discovery.ServerGroupsAndResourcesWithContext(ctx)
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return nil, c.explain(err, "asking which resources are served")
	}
	scopes := clusterScoped{}
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			continue
		}
		for _, r := range list.APIResources {
			scopes[schema.GroupResource{Group: version.Group, Resource: r.Name}] = !r.Namespaced
		}
	}
	return scopes, nil
}

func (s clusterScoped) namespaced(group, resource string) bool {
	return !s[schema.GroupResource{Group: group, Resource: resource}]
}
