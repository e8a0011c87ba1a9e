package kubernetes

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/internal/shorten"
)

// Kinds that a cluster may have.
var (
	vulnerabilityReports = []schema.GroupVersionKind{{Group: "aquasecurity.github.io", Version: "v1alpha1", Kind: "VulnerabilityReport"}}
	policyReportKinds    = []schema.GroupVersionKind{
		{Group: "wgpolicyk8s.io", Version: "v1alpha2", Kind: "PolicyReport"},
		{Group: "wgpolicyk8s.io", Version: "v1alpha2", Kind: "ClusterPolicyReport"},
		{Group: "openreports.io", Version: "v1alpha1", Kind: "Report"},
		{Group: "openreports.io", Version: "v1alpha1", Kind: "ClusterReport"},
	}
	ciliumPolicies = []schema.GroupVersionKind{
		{Group: "cilium.io", Version: "v2", Kind: "CiliumNetworkPolicy"},
		{Group: "cilium.io", Version: "v2", Kind: "CiliumClusterwideNetworkPolicy"},
	}
	// calicoPolicies as Calico stores them, which needs no right on its tiers.
	calicoPolicies = []schema.GroupVersionKind{
		{Group: "crd.projectcalico.org", Version: "v1", Kind: "NetworkPolicy"},
		{Group: "crd.projectcalico.org", Version: "v1", Kind: "GlobalNetworkPolicy"},
	}
	// calicoAPI has the same, for clusters where Calico stores nothing else.
	calicoAPI = []schema.GroupVersionKind{
		{Group: "projectcalico.org", Version: "v3", Kind: "NetworkPolicy"},
		{Group: "projectcalico.org", Version: "v3", Kind: "GlobalNetworkPolicy"},
	}
)

// clusterScopedKinds are those among them that live in no namespace.
var clusterScopedKinds = []string{"ClusterPolicyReport", "ClusterReport", "CiliumClusterwideNetworkPolicy", "GlobalNetworkPolicy"}

const (
	pageSize = 250
	// maxObjects of one kind that a question reads: whoever may write reports could
	// write any number of them.
	maxObjects = 2000
)

// extras reads kinds that the cluster may not have. It keeps as gaps what it could
// not read; the first error ends it.
type extras struct {
	*cluster
	served served
	gaps   []string
	err    error
}

func (c *cluster) extras(ctx context.Context) (*extras, error) {
	s, err := c.serves(ctx)
	return &extras{cluster: c, served: s, gaps: []string{}}, err
}

// has says whether any of the kinds is served, or may be.
func (o *extras) has(kinds []schema.GroupVersionKind) bool {
	return slices.ContainsFunc(kinds, func(kind schema.GroupVersionKind) bool {
		return o.served.kinds[kind] || o.served.silent[kind.GroupVersion()]
	})
}

// read hands over the objects of the kinds in a namespace and outside of any.
func (o *extras) read(ctx context.Context, kinds []schema.GroupVersionKind, namespace string, each func(unstructured.Unstructured), selection ...client.ListOption) {
	for _, kind := range kinds {
		switch {
		case o.served.silent[kind.GroupVersion()]:
			o.gap("what serves %s does not answer", kind.GroupVersion())
		case o.served.kinds[kind] && slices.Contains(clusterScopedKinds, kind.Kind):
			o.pages(ctx, kind, each, selection)
		case o.served.kinds[kind]:
			o.pages(ctx, kind, each, append(slices.Clone(selection), client.InNamespace(namespace)))
		}
	}
}

func (o *extras) pages(ctx context.Context, kind schema.GroupVersionKind, each func(unstructured.Unstructured), selection []client.ListOption) {
	list := &unstructured.UnstructuredList{}
	for read := 0; o.err == nil; {
		page := append(slices.Clone(selection), client.Limit(pageSize), client.Continue(list.GetContinue()))
		list = &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		if err := o.List(ctx, list, page...); err != nil {
			o.failed(err, kind)
			return
		}
		for _, item := range list.Items {
			each(item)
		}
		if read += len(list.Items); list.GetContinue() == "" {
			return
		}
		if read >= maxObjects {
			o.gap("there are more than %d of kind %s: not all were read", maxObjects, kind.Kind)
			return
		}
	}
}

// failed: a kind that was taken away since is not there. What lives in no namespace is
// out of reach for a tenant that is bound to its own, so that it is a gap.
func (o *extras) failed(err error, kind schema.GroupVersionKind) {
	doing := "listing " + kind.Kind + " objects"
	switch {
	case apierrors.IsNotFound(err), meta.IsNoMatchError(err):
	case apierrors.IsForbidden(err) && slices.Contains(clusterScopedKinds, kind.Kind):
		o.gap("%s: %s", doing, o.account.missing(err))
	default:
		o.err = o.explain(err, doing)
	}
}

// gap is kept once, and only the first few are.
func (o *extras) gap(format string, args ...any) {
	const most = 16
	text := shorten.Characters(fmt.Sprintf(format, args...), 512)
	if len(o.gaps) < most && !slices.Contains(o.gaps, text) {
		o.gaps = append(o.gaps, text)
	}
}
