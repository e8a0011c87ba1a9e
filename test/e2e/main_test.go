// Package e2e_test runs actions on real nodes, on which pods really run: make e2e.
// Elsewhere, where nothing runs pods, its tests are skipped.
package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/hack/lab"
)

// patience is how long anything may take on a busy machine.
const patience = 2 * time.Minute

// world is a cluster with nodes, and the operator in it.
type world struct {
	lab      *lab.Lab
	cluster  *lab.Cluster
	operator *lab.Operator
	client   client.WithWatch
}

var shared *world

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	os.Exit(run(m))
}

// sandboxed: hack/controlplane is around this process, so that nodes can be started.
func sandboxed() bool { return os.Getenv("TOCSIN_SANDBOX") != "" }

func run(m *testing.M) (code int) {
	if !sandboxed() {
		return m.Run()
	}
	w, err := newWorld()
	if err == nil {
		err = w.raise(context.Background())
	}
	if err == nil {
		shared = w
		code = m.Run()
	}
	if w != nil {
		err = errors.Join(err, w.stop(context.Background()))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}

func newWorld() (*world, error) {
	root, err := filepath.Abs("../..")
	if err != nil {
		return nil, err
	}
	return &world{lab: &lab.Lab{Root: root, Dir: filepath.Join(root, ".e2e")}}, nil
}

// raise starts all of it; logs are in .e2e.
func (w *world) raise(ctx context.Context) error {
	fmt.Fprintln(os.Stderr, "Compiling and starting the operator and a cluster of two nodes")
	err := errors.Join(w.lab.Clean(ctx), w.lab.Build(ctx, "./cmd/tocsin"))
	if err != nil {
		return err
	}
	if w.cluster, err = w.lab.StartCluster(ctx, "--nodes"); err != nil {
		return err
	}
	if err := w.cluster.Install(ctx); err != nil {
		return err
	}
	kubeconfig, _, err := w.cluster.Identity(ctx, "tocsin-system", "tocsin")
	if err != nil {
		return err
	}
	if w.operator, err = w.lab.NewOperator(kubeconfig, "--leader-elect=false"); err != nil {
		return err
	}
	if err := w.operator.Start(ctx); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"apply", "--server-side", "-f", "test/e2e/testdata/tenant.yaml"},
		{"wait", "-n", "soc", "--for=condition=Ready", "--timeout=60s", "--all", "connectors,approvalpolicies"},
	} {
		if err := w.lab.Kubectl(ctx, w.cluster.Kubeconfig, args...); err != nil {
			return err
		}
	}
	return w.connect()
}

func (w *world) connect() error {
	scheme := runtime.NewScheme()
	err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme))
	if err != nil {
		return err
	}
	w.client, err = client.NewWithWatch(w.cluster.Admin, client.Options{Scheme: scheme})
	return err
}

func (w *world) stop(ctx context.Context) error {
	var errs []error
	if w.operator != nil {
		errs = append(errs, w.operator.Stop())
	}
	if w.cluster != nil {
		errs = append(errs, w.cluster.Stop(ctx))
	}
	return errors.Join(errs...)
}
