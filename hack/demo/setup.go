package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/hack/lab"
)

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, err
	}
	return scheme, v1alpha1.AddToScheme(scheme)
}

// raiseCluster starts a control plane, or takes the one it was given.
func (p *play) raiseCluster(ctx context.Context) error {
	p.webToken, p.auditToken = rand.Text(), rand.Text()
	for source, token := range map[string]string{"falco": p.webToken, "audit": p.auditToken} {
		if err := os.WriteFile(p.File(source+".token"), []byte(token), 0o600); err != nil {
			return err
		}
	}
	if given := os.Getenv("KUBECONFIG"); given != "" {
		return p.useCluster(ctx, given)
	}
	// Its ingest has the certificate that the API server was told to expect.
	pki := p.File("cluster/pki")
	err := p.newOperator("https", "--ingest-tls-cert-file="+pki+"/audit-webhook.crt", "--ingest-tls-key-file="+pki+"/audit-webhook.key")
	if err != nil {
		return err
	}
	p.say("go -C hack/controlplane run . start --audit-webhook-url %s ...", p.url("audit"))
	p.cluster, err = p.StartCluster(ctx, "--controller-manager", "--audit-webhook-url", p.url("audit"), "--audit-webhook-token-file", p.File("audit.token"))
	if err != nil {
		return err
	}
	p.requests = &lab.AuditLog{Path: p.cluster.AuditLog}
	if err := p.trust(pki); err != nil {
		return err
	}
	if err := copyFile(p.cluster.Kubeconfig, p.kubeconfig("admin")); err != nil {
		return err
	}
	if err := p.connect(); err != nil {
		return err
	}
	_, err = p.run(ctx, "admin", "kubectl", "version")
	return err
}

// newOperator prepares the operator, whose ingest speaks http or https.
func (p *play) newOperator(scheme string, flags ...string) error {
	prepared, err := p.NewOperator(p.kubeconfig("operator"), append(flags, "--leader-elect=false")...)
	p.operator, p.scheme = &operator{Operator: prepared, stage: p.stage}, scheme
	return err
}

// trust makes senders accept the operator's certificate.
func (p *play) trust(pki string) error {
	ca, err := os.ReadFile(filepath.Join(pki, "ca.crt"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return fmt.Errorf("%s/ca.crt: no certificate in it", pki)
	}
	p.ingest = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: 4}}
	return nil
}

// url of an alert source of the tenant.
func (p *play) url(source string) string {
	return p.scheme + "://" + p.operator.Ingest + "/v1/sources/soc/" + source
}

// install applies the same objects as config/default, but for the Deployment: the operator runs on this machine.
func (p *play) install(ctx context.Context) error {
	err := p.commands(ctx, "admin", [][]string{
		{"kubectl", "apply", "--server-side", "-f", "hack/demo/manifests/namespaces.yaml"},
		{"kubectl", "apply", "--server-side", "-f", "config/manager/namespace.yaml"},
		{"kubectl", "apply", "--server-side", "-k", "config/crd"},
		{"kubectl", "apply", "--server-side", "-k", "config/rbac"},
		{"kubectl", "apply", "--server-side", "-k", "config/admission"},
		{"kubectl", "wait", "--for=condition=Established", "--timeout=30s",
			"crd/alerts.soc.tocsin.dev", "crd/investigations.soc.tocsin.dev", "crd/responseactions.soc.tocsin.dev"},
	})
	if err != nil {
		return err
	}
	if err := p.workload(ctx, "operator", "tocsin-system", "tocsin"); err != nil {
		return err
	}
	p.say("KUBECONFIG=%s .demo/bin/tocsin --data-dir=%s --ingest-bind-address=%s", p.kubeconfig("operator"), p.File("data"), p.operator.Ingest)
	if err := p.operator.start(ctx); err != nil {
		return err
	}
	if p.auditLog != "" {
		go p.forward(ctx)
	}
	err = p.commands(ctx, "admin", [][]string{
		{"kubectl", "-n", "soc", "create", "secret", "generic", "falco-token", "--from-file=token=" + p.File("falco.token")},
		{"kubectl", "-n", "soc", "create", "secret", "generic", "audit-token", "--from-file=token=" + p.File("audit.token")},
		{"kubectl", "-n", "soc", "apply", "--server-side", "-f", "hack/demo/manifests/sources.yaml"},
		{"kubectl", "-n", "soc", "wait", "--for=condition=Ready", "--timeout=60s", "--all", "alertsources"},
	})
	if err != nil {
		return err
	}
	p.say("what the operator may do: no wildcard, and of Secrets only the two it was pointed to")
	return p.commands(ctx, "operator", [][]string{
		{"kubectl", "auth", "can-i", "--list"},
		{"kubectl", "-n", "soc", "auth", "can-i", "--list", "--no-headers"},
	})
}

// openTenant comes last: setting the stage, with its tokens and grants, would look like an attack.
func (p *play) openTenant(ctx context.Context) error {
	if err := p.heard(ctx); err != nil {
		return err
	}
	return p.commands(ctx, "admin", [][]string{
		{"kubectl", "apply", "--server-side", "-f", "hack/demo/manifests/connector.yaml"},
		{"kubectl", "apply", "--server-side", "-k", "hack/demo/tenant"},
		{"kubectl", "-n", "soc", "wait", "--for=condition=Ready", "--timeout=60s", "--all",
			"connectors,analysts,detectionrules,playbooks,approvalpolicies"},
		{"kubectl", "-n", "soc", "get", "alertsources,connectors,analysts,approvalpolicies,playbooks"},
	})
}

func (p *play) castRoles(ctx context.Context) error {
	err := p.commands(ctx, "admin", [][]string{
		{"kubectl", "apply", "--server-side", "-f", "hack/demo/manifests/shop.yaml"},
		{"kubectl", "apply", "--server-side", "-f", "hack/demo/manifests/gitops.yaml"},
		{"kubectl", "apply", "--server-side", "-f", "hack/demo/manifests/people.yaml"},
	})
	if err != nil {
		return err
	}
	err = lab.Eventually(ctx, time.Minute, "a pod of Deployment shop/web", func(ctx context.Context) (bool, string, error) {
		name, err := p.silent(ctx, "admin", io.Discard, "kubectl", "-n", "shop", "get", "pods", "-l", "app=web", "-o", "jsonpath={.items[0].metadata.name}")
		p.victim = strings.TrimSpace(name)
		return err == nil && p.victim != "", "no pod", nil
	})
	if err != nil {
		return err
	}
	p.say("the pod that will be broken into is shop/%s", p.victim)
	if err := p.workload(ctx, "stolen", "shop", "web", "--bound-object-kind=Pod", "--bound-object-name="+p.victim); err != nil {
		return err
	}
	if err := p.workload(ctx, "deployer", "gitops", "deployer"); err != nil {
		return err
	}
	p.say("alice and bob are users, each with a key of their own and a certificate: no ServiceAccount may approve anything")
	for _, who := range []string{"alice", "bob"} {
		if err := p.person(ctx, who); err != nil {
			return err
		}
		if _, err := p.run(ctx, who, "kubectl", "auth", "whoami"); err != nil {
			return err
		}
	}
	return nil
}

func (p *play) commands(ctx context.Context, who string, commands [][]string) error {
	for _, command := range commands {
		if _, err := p.run(ctx, who, command...); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	raw, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, raw, 0o600)
}

// flipByte changes one byte in the middle of the largest bundle of entries below a copy of the log.
func flipByte(dir string) error {
	var largest string
	var size int64
	err := filepath.WalkDir(filepath.Join(dir, "log", "tile", "entries"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Size() > size {
			largest, size = path, info.Size()
		}
		return err
	})
	if err != nil {
		return err
	}
	raw, err := os.ReadFile(largest)
	if err != nil {
		return err
	}
	raw[len(raw)/2] ^= 1
	return os.WriteFile(largest, raw, 0o600)
}
