package kubernetes

import (
	"context"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Check implements connectors.Connector: it asks the API server who it takes the
// connector for, which every authenticated user may. Discovery, which the other
// client starts with, would hide why it was refused.
func (c *Connector) Check(ctx context.Context) error {
	_, err := c.reviews.Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	return c.cluster.explain(err, "acting as ServiceAccount "+c.cluster.account.String())
}
