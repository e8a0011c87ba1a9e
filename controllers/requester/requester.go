// Package requester finds who asked for an action through somebody or something else: whoever
// changed the playbook last that asked, and whoever may act as the ServiceAccount that asked.
package requester

import (
	"context"
	"fmt"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/response"
)

const (
	playbooks      = "playbooks." + v1alpha1.Group
	serviceAccount = "system:serviceaccount:"
	authenticated  = "system:authenticated"
)

// Changes tells who changed an object last, as far as audit events told; empty for not known.
type Changes interface {
	LastChanged(namespace, resource, name string) string
}

// Finder knows whom to ask. It asks the API server anew each time: rights change.
type Finder struct {
	Changes Changes
	// Reviews creates SubjectAccessReviews.
	Reviews client.Writer
}

// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create

// Behind returns who else asked, of those who approve: nobody approves what they asked for.
// An error means that nothing can be counted.
func (f Finder) Behind(ctx context.Context, namespace string, requesters []string, approvals []v1alpha1.Approval) ([]string, error) {
	var behind []string
	for _, by := range requesters {
		if name, asks := response.PlaybookOf(by); asks {
			if last := f.Changes.LastChanged(namespace, playbooks, name); last != "" {
				behind = append(behind, last)
			}
		}
		account, is := strings.CutPrefix(by, serviceAccount)
		if !is {
			continue
		}
		for i := range approvals {
			acts, err := f.actsAs(ctx, approvals[i].Spec.Approver, account)
			if err != nil {
				return nil, err
			}
			if acts {
				behind = append(behind, approvals[i].Spec.Approver)
			}
		}
	}
	return behind, nil
}

// running are what pods run by, and how one gets into them.
var running = []authorizationv1.ResourceAttributes{
	{Resource: "pods"}, {Resource: "pods", Subresource: "exec"}, {Resource: "replicationcontrollers"},
	{Group: "apps", Resource: "deployments"}, {Group: "apps", Resource: "replicasets"}, {Group: "apps", Resource: "statefulsets"},
	{Group: "apps", Resource: "daemonsets"}, {Group: "batch", Resource: "jobs"}, {Group: "batch", Resource: "cronjobs"},
}

// actsAs says whether a user may impersonate a ServiceAccount (namespace:name), take a token of it, or run
// pods as it. Groups are not known of an approver but the one of all: what is granted to others does not show.
func (f Finder) actsAs(ctx context.Context, user, account string) (bool, error) {
	namespace, name, _ := strings.Cut(account, ":")
	ways := []authorizationv1.ResourceAttributes{
		{Namespace: namespace, Verb: "impersonate", Resource: "serviceaccounts", Name: name},
		{Namespace: namespace, Verb: "create", Resource: "serviceaccounts", Subresource: "token", Name: name},
	}
	for _, what := range running {
		what.Namespace, what.Verb = namespace, "create"
		ways = append(ways, what)
	}
	for _, what := range ways {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: user, Groups: []string{authenticated}, ResourceAttributes: &what,
		}}
		if err := f.Reviews.Create(ctx, review); err != nil {
			return false, fmt.Errorf("whether %s may act as %s%s: %w", user, serviceAccount, account, err)
		}
		if review.Status.Allowed {
			return true, nil
		}
	}
	return false, nil
}
