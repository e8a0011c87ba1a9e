package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/hack/lab"
)

// labelDemo marks the namespaces that the demo makes.
const labelDemo = "soc.tocsin.dev/demo"

// stages are the namespaces of hack/demo/manifests/namespaces.yaml.
var stages = []string{"soc", "shop", "payments", "gitops", "catalog"}

// useCluster takes a cluster that exists. Its API server was not told of Tocsin, so
// its audit log is read from the file and sent in its place.
func (p *play) useCluster(ctx context.Context, given string) error {
	p.auditLog = os.Getenv("AUDIT_LOG")
	if p.auditLog == "" {
		return errors.New("with KUBECONFIG, AUDIT_LOG must name the file that the API server writes its audit events to (--audit-log-path)")
	}
	if _, err := os.Stat(p.auditLog); err != nil {
		return fmt.Errorf("AUDIT_LOG: %w", err)
	}
	p.requests = &lab.AuditLog{Path: p.auditLog}
	p.ingest = http.DefaultClient
	if err := copyFile(given, p.kubeconfig("admin")); err != nil {
		return err
	}
	if err := p.connect(); err != nil {
		return err
	}
	if err := p.refuseOthers(ctx); err != nil {
		return err
	}
	p.guest = true
	if err := p.newOperator("http"); err != nil {
		return err
	}
	p.say("remove what an earlier demo may have left here")
	return p.leave(ctx)
}

// refuseOthers keeps off a cluster on which something is that the demo did not make:
// it removes in the end what it finds under the names that it uses.
func (p *play) refuseOthers(ctx context.Context) error {
	deployment := types.NamespacedName{Namespace: "tocsin-system", Name: "tocsin"}
	err := p.admin.Get(ctx, deployment, &appsv1.Deployment{})
	if err == nil {
		return fmt.Errorf("an operator runs here already, Deployment %s: take another cluster", deployment)
	}
	if !apierrors.IsNotFound(err) {
		return err
	}
	ours := false
	for _, name := range stages {
		var namespace corev1.Namespace
		err := p.admin.Get(ctx, types.NamespacedName{Name: name}, &namespace)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return err
		}
		if namespace.Labels[labelDemo] == "" {
			return fmt.Errorf("namespace %s is there already and has no label %s: the demo would attack it and remove it; take another cluster", name, labelDemo)
		}
		ours = true
	}
	if ours {
		return nil
	}
	crds := &metav1.PartialObjectMetadataList{}
	crds.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinitionList"})
	if err := p.admin.List(ctx, crds); err != nil {
		return err
	}
	for _, crd := range crds.Items {
		if strings.HasSuffix(crd.Name, "."+v1alpha1.Group) {
			return fmt.Errorf("CustomResourceDefinition %s is there already, with whatever is of that kind: the demo would remove it; take another cluster", crd.Name)
		}
	}
	return nil
}

// leave removes what the demo made on a cluster that is not its own.
func (p *play) leave(ctx context.Context) error {
	var errs []error
	for _, command := range p.removal() {
		_, err := p.run(ctx, "admin", command...)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (p *play) removal() [][]string {
	gone := []string{"kubectl", "delete", "--ignore-not-found", "--timeout=120s"}
	with := func(args ...string) []string { return append(gone[:len(gone):len(gone)], args...) }
	return [][]string{
		with("clusterrolebinding", attackersBinding),
		with("csr", requestPrefix+"alice", requestPrefix+"bob"),
		with("-f", "hack/demo/manifests/connector.yaml", "-f", "hack/demo/manifests/shop.yaml", "-f", "hack/demo/manifests/gitops.yaml"),
		with("-k", "config/crd"),
		with("-k", "config/admission"),
		with("-k", "config/rbac"),
		with("-f", "config/manager/namespace.yaml"),
		// They tell who made the rest, so they go last.
		with("-f", "hack/demo/manifests/namespaces.yaml"),
	}
}
