package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

//go:embed audit-policy.yaml
var defaultAuditPolicy []byte

// In the order in which they are stopped: clients before their servers.
var components = []string{scheduler, controllerManager, apiServer, etcd}

// plane is a control plane while it is being started.
type plane struct {
	startOptions
	assets    string
	pki       pki
	ports     ports
	available func(context.Context, string) error
}

type ports struct{ etcd, etcdPeer, api, controllerManager int }

func (p *plane) etcdURL() string { return fmt.Sprintf("http://127.0.0.1:%d", p.ports.etcd) }
func (p *plane) apiURL() string  { return fmt.Sprintf("https://127.0.0.1:%d", p.ports.api) }
func (p *plane) file(name string) string {
	return filepath.Join(p.dir, name)
}

func start(ctx context.Context, o startOptions) (err error) {
	if err := refuseRunning(o.dir); err != nil {
		return err
	}
	if o.withNodes {
		if err := checkSandbox(); err != nil {
			return err
		}
	}
	p, err := prepare(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, stopAll(o.dir))
		}
	}()
	if err := p.startEtcd(ctx); err != nil {
		return err
	}
	if err := p.startAPIServer(ctx); err != nil {
		return err
	}
	if p.controllerManager {
		if err := p.startControllerManager(ctx); err != nil {
			return err
		}
	}
	if p.withNodes {
		if err := p.startNodes(ctx); err != nil {
			return err
		}
	}
	fmt.Fprintf(os.Stderr, "Kubernetes %s is ready: export KUBECONFIG=%s\n", p.apiURL(), p.file("admin.kubeconfig"))
	return nil
}

func stopAll(dir string) error {
	var errs []error
	for _, n := range nodesIn(dir) {
		errs = append(errs, stop(n.dir, kubelet), stop(n.dir, containerd))
	}
	for _, name := range components {
		errs = append(errs, stop(dir, name))
	}
	return errors.Join(errs...)
}

func refuseRunning(dir string) error {
	for _, name := range components {
		pid, err := runningPID(dir, name)
		if err != nil {
			return err
		}
		if pid != 0 {
			return fmt.Errorf("%s already runs in %s (pid %d): stop --dir %s first", name, dir, pid, dir)
		}
	}
	return nil
}

func prepare(ctx context.Context, o startOptions) (*plane, error) {
	assets, err := assetsDir(ctx)
	if err != nil {
		return nil, err
	}
	p := &plane{startOptions: o, assets: assets, pki: pki(filepath.Join(o.dir, "pki"))}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return nil, err
	}
	if err := p.pki.create(); err != nil {
		return nil, err
	}
	if p.ports, err = freePorts(); err != nil {
		return nil, err
	}
	if p.available, err = p.newProbe(); err != nil {
		return nil, err
	}
	if err := p.writeAuditFiles(); err != nil {
		return nil, err
	}
	for _, name := range []string{"admin", controllerManager} {
		if err := writeClientKubeconfig(p.file(name+".kubeconfig"), p.apiURL(), p.pki, name); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *plane) writeAuditFiles() error {
	if p.auditPolicy == "" {
		p.auditPolicy = p.file("audit-policy.yaml")
		if err := os.WriteFile(p.auditPolicy, defaultAuditPolicy, 0o644); err != nil {
			return err
		}
	}
	if p.webhookURL == "" {
		return nil
	}
	if p.webhookTokenFile != "" {
		if _, err := os.Stat(p.webhookTokenFile); err != nil {
			return fmt.Errorf("--audit-webhook-token-file: %w", err)
		}
	}
	ca, err := os.ReadFile(p.pki.cert("ca"))
	if err != nil {
		return err
	}
	return newKubeconfig("audit", cluster{Server: p.webhookURL, CAData: ca}, user{TokenFile: p.webhookTokenFile}).
		write(p.file("audit-webhook.kubeconfig"))
}

// startEtcd waits for etcd's health: kube-apiserver may panic when it starts
// before etcd listens.
func (p *plane) startEtcd(ctx context.Context) error {
	peer := fmt.Sprintf("http://127.0.0.1:%d", p.ports.etcdPeer)
	proc, err := launch(p.dir, etcd, filepath.Join(p.assets, etcd), []string{
		"--data-dir=" + p.file("etcd"),
		"--listen-client-urls=" + p.etcdURL(),
		"--advertise-client-urls=" + p.etcdURL(),
		"--listen-peer-urls=" + peer,
		"--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=default=" + peer,
		"--unsafe-no-fsync",
	})
	if err != nil {
		return err
	}
	return proc.waitFor(ctx, 30*time.Second, func(ctx context.Context) error {
		return p.available(ctx, p.etcdURL()+"/health")
	})
}

func (p *plane) startAPIServer(ctx context.Context) error {
	proc, err := launch(p.dir, apiServer, filepath.Join(p.assets, apiServer), p.apiServerArgs())
	if err != nil {
		return err
	}
	return proc.waitFor(ctx, 90*time.Second, func(ctx context.Context) error {
		return p.available(ctx, p.apiURL()+"/readyz")
	})
}

func (p *plane) apiServerArgs() []string {
	authorization := "RBAC"
	if p.withNodes {
		authorization = "Node,RBAC"
	}
	args := []string{
		"--etcd-servers=" + p.etcdURL(),
		"--bind-address=127.0.0.1",
		// It listens on loopback only, which cannot be an endpoint of the Service "kubernetes".
		"--endpoint-reconciler-type=none",
		fmt.Sprintf("--secure-port=%d", p.ports.api),
		"--tls-cert-file=" + p.pki.cert(apiServer),
		"--tls-private-key-file=" + p.pki.key(apiServer),
		"--client-ca-file=" + p.pki.cert("ca"),
		"--authorization-mode=" + authorization,
		"--allow-privileged=true",
		"--service-cluster-ip-range=10.0.0.0/24",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + p.pki.key("service-account"),
		"--service-account-signing-key-file=" + p.pki.key("service-account"),
		"--audit-policy-file=" + p.auditPolicy,
		"--audit-log-path=" + p.file("audit.log"),
		// Blocking writes to a file nobody rotates: a count of its lines is complete.
		"--audit-log-mode=blocking",
		"--audit-log-maxsize=0",
	}
	if p.withNodes {
		args = append(args,
			"--enable-admission-plugins=NodeRestriction",
			// In a sandbox no route tells an address to advertise.
			"--advertise-address="+p.nodes()[0].address(),
			"--kubelet-preferred-address-types=InternalIP",
			"--kubelet-client-certificate="+p.pki.cert("admin"),
			"--kubelet-client-key="+p.pki.key("admin"),
		)
	}
	if p.webhookURL != "" {
		args = append(args,
			"--audit-webhook-config-file="+p.file("audit-webhook.kubeconfig"),
			"--audit-webhook-mode=batch",
			"--audit-webhook-batch-max-wait=1s",
			// Tries five times, the last after 24 s: a receiver that restarts misses nothing.
			"--audit-webhook-initial-backoff=3s",
			// A batch that a receiver refuses as too large is dropped for good, whoever's events are in it.
			"--audit-webhook-truncate-enabled=true",
			"--audit-webhook-truncate-max-batch-size=4194304",
			"--audit-webhook-truncate-max-event-size=524288",
		)
	}
	return args
}

func (p *plane) startControllerManager(ctx context.Context) error {
	path, err := controllerManagerPath(ctx, p.assets)
	if err != nil {
		return err
	}
	proc, err := launch(p.dir, controllerManager, path, []string{
		"--kubeconfig=" + p.file(controllerManager+".kubeconfig"),
		"--authentication-kubeconfig=" + p.file(controllerManager+".kubeconfig"),
		"--authorization-kubeconfig=" + p.file(controllerManager+".kubeconfig"),
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", p.ports.controllerManager),
		"--tls-cert-file=" + p.pki.cert(apiServer),
		"--tls-private-key-file=" + p.pki.key(apiServer),
		"--leader-elect=false",
		"--controllers=*",
		"--use-service-account-credentials=true",
		"--service-account-private-key-file=" + p.pki.key("service-account"),
		"--root-ca-file=" + p.pki.cert("ca"),
		// Signs CertificateSigningRequests, so that people get identities of their own.
		"--cluster-signing-cert-file=" + p.pki.cert("ca"),
		"--cluster-signing-key-file=" + p.pki.key("ca"),
	})
	if err != nil {
		return err
	}
	// Its default ServiceAccount says that it works; pods cannot be created without one.
	return proc.waitFor(ctx, 60*time.Second, func(ctx context.Context) error {
		return p.available(ctx, p.apiURL()+"/api/v1/namespaces/default/serviceaccounts/default")
	})
}
