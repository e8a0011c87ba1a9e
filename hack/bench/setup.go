package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/hack/lab"
)

const (
	tenant = "soc"
	work   = "work"
	// clients that write or post at the same time.
	clients = 16
)

// bench is one run.
type bench struct {
	lab     *lab.Lab
	figures *figures
	began   time.Time

	cluster  *lab.Cluster
	operator *lab.Operator
	audit    *lab.AuditLog
	// admin may watch; asOperator has the operator's own rights and is counted as it.
	admin      client.WithWatch
	asOperator client.Client
	senders    *senders
	// writesPerAlert as counted.
	writesPerAlert float64
}

func (b *bench) build(ctx context.Context) error {
	return errors.Join(b.lab.Clean(ctx), b.lab.Build(ctx, "./cmd/tocsin"))
}

func (b *bench) raise(ctx context.Context) error {
	var err error
	b.cluster, err = b.lab.StartCluster(ctx, "--controller-manager", "--audit-policy", b.lab.Root+"/hack/bench/manifests/audit-policy.yaml")
	if err != nil {
		return err
	}
	b.audit = &lab.AuditLog{Path: b.cluster.AuditLog}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return err
	}
	if err := b.cluster.Install(ctx); err != nil {
		return err
	}
	kubeconfig, identity, err := b.cluster.Identity(ctx, "tocsin-system", "tocsin")
	if err != nil {
		return err
	}
	if b.admin, err = client.NewWithWatch(b.cluster.Admin, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	if b.asOperator, err = client.New(identity, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	b.operator, err = b.lab.NewOperator(kubeconfig, "--max-actions-per-hour=100000")
	return err
}

// open starts the operator and opens the tenant, with the shipped detections.
func (b *bench) open(ctx context.Context) error {
	if err := b.operator.Start(ctx); err != nil {
		return err
	}
	b.senders = newSenders(b.operator.Ingest)
	for _, args := range [][]string{
		{"apply", "--server-side", "-f", "hack/bench/manifests/tenant.yaml"},
		{"apply", "--server-side", "-n", tenant, "-k", "config/detections"},
		{"wait", "-n", tenant, "--for=condition=Ready", "--timeout=60s", "--all", "alertsources,connectors,detectionrules,playbooks,approvalpolicies"},
	} {
		if err := b.lab.Kubectl(ctx, b.cluster.Kubeconfig, args...); err != nil {
			return err
		}
	}
	for prefix, n := range map[string]int{closedPods: closedAlerts, fastPods: fastEvents, slowPods: slowEvents} {
		if err := b.pods(ctx, prefix, n); err != nil {
			return err
		}
	}
	return nil
}

// resume starts the operator again, and returns once it takes events.
func (b *bench) resume(ctx context.Context) error {
	if err := b.operator.Start(ctx); err != nil {
		return err
	}
	for _, source := range []string{"falco", "audit"} {
		if err := b.senders.welcome(ctx, source); err != nil {
			return err
		}
	}
	return nil
}

// pods that no node runs: what counts is that they are in the API server.
func (b *bench) pods(ctx context.Context, prefix string, n int) error {
	return together(ctx, n, func(ctx context.Context, i int) error {
		return b.admin.Create(ctx, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: work, Name: numbered(prefix, i), Labels: map[string]string{"app": prefix}},
			Spec: corev1.PodSpec{
				AutomountServiceAccountToken: ptr.To(false),
				Containers: []corev1.Container{{
					Name: "main", Image: "registry.example/shop/web:1.4.2",
					SecurityContext: &corev1.SecurityContext{Privileged: ptr.To(prefix != closedPods)},
				}},
			},
		})
	})
}

func (b *bench) stop(ctx context.Context) error {
	var errs []error
	if b.operator != nil {
		errs = append(errs, b.operator.Stop())
	}
	if b.cluster != nil {
		errs = append(errs, b.cluster.Stop(ctx))
	}
	return errors.Join(errs...)
}

// together does n things, by so many clients at a time.
func together(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(clients)
	for i := range n {
		group.Go(func() error { return do(ctx, i) })
	}
	return group.Wait()
}

func numbered(prefix string, i int) string { return fmt.Sprintf("%s-%04d", prefix, i) }
