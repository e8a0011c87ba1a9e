// Package story_test plays the journeys of users on a real API server, with the
// compiled operator as its own ServiceAccount, installed from config/default.
package story_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/tocsin-dev/tocsin/internal/admission"
	"github.com/tocsin-dev/tocsin/test/env"
)

const (
	operatorNamespace = "tocsin-system"
	operatorAccount   = "tocsin"
	// patience is how long anything may take on a busy machine.
	patience = 60 * time.Second
)

var (
	shared env.Shared
	once   sync.Once
	// workDir holds the operator's binary and what is kept of it.
	workDir string
)

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	code := shared.Run(m)
	if err := os.RemoveAll(workDir); err != nil {
		code = 1
	}
	os.Exit(code)
}

// cluster returns an API server on which config/default is installed. Nothing
// runs there but the operator that a test starts.
func cluster(t *testing.T) *env.Cluster {
	t.Helper()
	c := shared.Get(t)
	once.Do(func() {
		var err error
		if workDir, err = os.MkdirTemp("", "tocsin-story-"); err != nil {
			t.Fatal(err)
		}
		command(t, "go", "build", "-o", filepath.Join(workDir, "tocsin"), "../../cmd/tocsin")
		kubectl(t, c, "apply", "--server-side", "--force-conflicts", "-k", "../../config/default")
	})
	return c
}

// kubectl runs as the cluster's administrator.
func kubectl(t *testing.T, c *env.Cluster, args ...string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "admin.kubeconfig")
	writeKubeconfig(t, c.Config, path)
	command(t, filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"), append([]string{"--kubeconfig", path}, args...)...)
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if output, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, output)
	}
}

func writeKubeconfig(t *testing.T, config *rest.Config, path string) {
	t.Helper()
	const name = "story"
	kubeconfig := clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{name: {Server: config.Host, CertificateAuthorityData: config.CAData}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{name: {
			Token: config.BearerToken, ClientCertificateData: config.CertData, ClientKeyData: config.KeyData,
		}},
		Contexts:       map[string]*clientcmdapi.Context{name: {Cluster: name, AuthInfo: name}},
		CurrentContext: name,
	}
	if err := clientcmd.WriteToFile(kubeconfig, path); err != nil {
		t.Fatal(err)
	}
}

// token is the configuration of a ServiceAccount with a token of its own, as its
// pod has one, bound to that pod if it is named.
func token(t *testing.T, c *env.Cluster, namespace, name string, pod *corev1.Pod) *rest.Config {
	t.Helper()
	request := &authenticationv1.TokenRequest{}
	if pod != nil {
		request.Spec.BoundObjectRef = &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID}
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	if err := c.Client.SubResource("token").Create(t.Context(), account, request); err != nil {
		t.Fatal(err)
	}
	config := rest.AnonymousClientConfig(c.Config)
	config.QPS = -1
	config.BearerToken = request.Status.Token
	return config
}

func as(t *testing.T, c *env.Cluster, config *rest.Config) client.Client {
	t.Helper()
	cl, err := client.New(config, client.Options{Scheme: c.Scheme, Mapper: c.Client.RESTMapper()})
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

// proven waits until approvals count: the API server may take some seconds to act
// on policies that were just written.
func proven(t *testing.T, c *env.Cluster) {
	t.Helper()
	asOperator := as(t, c, token(t, c, operatorNamespace, operatorAccount, nil))
	prover, err := admission.New(asOperator, asOperator, operatorNamespace)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the admission policies to be in force", func(ctx context.Context) (bool, string) {
		since, err := prover.Since(ctx)
		if err != nil {
			return false, err.Error()
		}
		// Creation times are in whole seconds.
		return time.Now().After(since.Add(time.Second)), "in force since " + since.String()
	})
}

// eventually waits for a condition, and fails with what it saw last.
func eventually(t *testing.T, what string, check func(context.Context) (ok bool, seen string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	last := "nothing yet"
	for {
		ok, seen := check(ctx)
		if ok {
			return
		}
		if ctx.Err() == nil {
			last = seen
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waited %s for %s; last seen: %s", patience, what, last)
		case <-tick.C:
		}
	}
}
