package kubernetes

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

// servedFreshness is how late a new kind is known; until then it counts as one that
// is not there, and its resource as namespaced.
const servedFreshness = time.Minute

// served is what the API server serves.
type served struct {
	kinds map[schema.GroupVersionKind]bool
	// clusterScoped are the resources that live in no namespace.
	clusterScoped map[schema.GroupResource]bool
	// silent are versions whose own server does not answer, so that it is not known what
	// they serve; that counts as namespaced.
	silent map[schema.GroupVersion]bool
}

// readServed asks what is served.
func (c *cluster) readServed(ctx context.Context) (served, error) {
	s := served{
		kinds: map[schema.GroupVersionKind]bool{}, clusterScoped: map[schema.GroupResource]bool{}, silent: map[schema.GroupVersion]bool{},
	}
	_, lists, err := c.discovery.ServerGroupsAndResourcesWithContext(ctx)
	var incomplete *discovery.ErrGroupDiscoveryFailed
	if errors.As(err, &incomplete) {
		for version := range incomplete.Groups {
			s.silent[version] = true
		}
	} else if err != nil {
		return s, c.explain(err, "asking which resources are served")
	}
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			continue
		}
		for _, r := range list.APIResources {
			s.kinds[version.WithKind(r.Kind)] = true
			s.clusterScoped[schema.GroupResource{Group: version.Group, Resource: r.Name}] = !r.Namespaced
		}
	}
	return s, nil
}

func (s served) namespaced(group, resource string) bool {
	return !s.clusterScoped[schema.GroupResource{Group: group, Resource: resource}]
}

// serves is what the API server serves, as it was a moment ago.
func (c *cluster) serves(ctx context.Context) (served, error) {
	return c.served.get(ctx, c.clock, func() (served, error) { return c.readServed(ctx) })
}
