// Package env gives tests a real API server with Tocsin's CRDs.
package env

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	kruntime "k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	socv1alpha1 "github.com/tocsin-dev/tocsin/api/v1alpha1"
)

const howTo = "this test needs etcd and kube-apiserver: run make test, or export KUBEBUILDER_ASSETS=$(make -s assets)"

// Shared is an API server for the tests of one package, started by the first
// test that asks for it:
//
//	var shared env.Shared
//
//	func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }
//
//	func TestIt(t *testing.T) { cluster := shared.Get(t) ... }
type Shared struct {
	once    sync.Once
	cluster *Cluster
	err     error
}

// Run runs the tests of a package and stops the API server after the last.
func (s *Shared) Run(m interface{ Run() int }) int {
	code := m.Run()
	if s.cluster == nil {
		return code
	}
	if err := s.cluster.environment.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stopping the test environment:", err)
		return 1
	}
	return code
}

// Get returns the API server, which runs on after the test.
func (s *Shared) Get(t testing.TB) *Cluster {
	t.Helper()
	requireAssets(t)
	s.once.Do(func() { s.cluster, s.err = start() })
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.cluster
}

// Start starts an API server for one test, which stops with it.
func Start(t testing.TB) *Cluster {
	t.Helper()
	requireAssets(t)
	cluster, err := start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.environment.Stop(); err != nil {
			t.Errorf("stopping the test environment: %v", err)
		}
	})
	return cluster
}

// Cluster is a running API server. Config and Client act as its administrator.
type Cluster struct {
	Config *rest.Config
	Client client.Client
	Scheme *kruntime.Scheme

	environment *envtest.Environment
}

// As returns the configuration of a user with a certificate of its own, who may
// do only what RBAC grants.
func (c *Cluster) As(t testing.TB, user string, groups ...string) *rest.Config {
	t.Helper()
	authenticated, err := c.environment.AddUser(envtest.User{Name: user, Groups: groups}, unlimited())
	if err != nil {
		t.Fatalf("adding user %s: %v", user, err)
	}
	return authenticated.Config()
}

// ClientAs returns a client that acts as such a user.
func (c *Cluster) ClientAs(t testing.TB, user string, groups ...string) client.Client {
	t.Helper()
	cl, err := client.New(c.As(t, user, groups...), client.Options{Scheme: c.Scheme})
	if err != nil {
		t.Fatalf("client of user %s: %v", user, err)
	}
	return cl
}

// Skipping where the assets are missing would let CI pass without a test run:
// only go test -short may.
func requireAssets(t testing.TB) {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") != "" {
		return
	}
	if testing.Short() {
		t.Skip(howTo)
	}
	t.Fatal(howTo)
}

func start() (*Cluster, error) {
	scheme := kruntime.NewScheme()
	for _, add := range []func(*kruntime.Scheme) error{clientgoscheme.AddToScheme, socv1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	environment := &envtest.Environment{
		CRDDirectoryPaths:     []string{filepath.Join(moduleRoot(), "config", "crd")},
		ErrorIfCRDPathMissing: true,
		Scheme:                scheme,
	}
	config, err := environment.Start()
	if err != nil {
		// A rejected CRD leaves etcd and kube-apiserver running.
		return nil, errors.Join(fmt.Errorf("starting the test environment: %w", err), environment.Stop())
	}
	config.QPS = unlimited().QPS
	cl, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, errors.Join(err, environment.Stop())
	}
	return &Cluster{Config: config, Client: cl, Scheme: scheme, environment: environment}, nil
}

// client-go's default of five requests a second would be what tests measure.
func unlimited() *rest.Config { return &rest.Config{QPS: -1} }

func moduleRoot() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}
