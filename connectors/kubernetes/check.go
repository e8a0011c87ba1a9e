package kubernetes

import (
	"context"

	authenticationv1 "k8s.io/api/authentication/v1"
)

// Check implements connectors.Connector: it asks the API server who it takes the
// connector for, which every authenticated user may.
func (c *Connector) Check(ctx context.Context) error {
	err := c.cluster.Create(ctx, &authenticationv1.SelfSubjectReview{})
	if err == nil {
		// Known beforehand, it delays no isolation. What goes wrong here is told there.
		_, _ = c.cluster.enforcement(ctx)
	}
	return c.cluster.explain(err, "acting as ServiceAccount "+c.cluster.account.String())
}
