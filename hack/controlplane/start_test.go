package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestParseStart(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		args    string
		want    startOptions
		wantErr string
	}{
		"paths become absolute": {
			args: "--dir d --audit-policy p.yaml --controller-manager",
			want: startOptions{dir: filepath.Join(here, "d"), auditPolicy: filepath.Join(here, "p.yaml"), controllerManager: true},
		},
		"a webhook": {
			args: "--dir /d --audit-webhook-url https://h/p --audit-webhook-token-file /t",
			want: startOptions{dir: "/d", webhookURL: "https://h/p", webhookTokenFile: "/t"},
		},
		"no folder":               {wantErr: "--dir is required"},
		"a token for no webhook":  {args: "--dir /d --audit-webhook-token-file /t", wantErr: "starts with https://"},
		"a token in the clear":    {args: "--dir /d --audit-webhook-url http://h --audit-webhook-token-file /t", wantErr: "starts with https://"},
		"an argument too many":    {args: "--dir /d now", wantErr: `no argument "now"`},
		"a folder without --dir ": {args: "/d", wantErr: `no argument "/d"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseStart(strings.Fields(tt.args))
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Errorf("error %v, want one with %q", err, tt.wantErr)
				}
				return
			}
			if err != nil || got != tt.want {
				t.Errorf("got %+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
}

func TestFreePortsAreDistinct(t *testing.T) {
	p, err := freePorts()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{p.etcd: true, p.etcdPeer: true, p.api: true, p.controllerManager: true}
	if len(seen) != 4 || seen[0] {
		t.Errorf("ports %+v", p)
	}
}

func TestPKIIsMadeOnce(t *testing.T) {
	p := pki(filepath.Join(t.TempDir(), "pki"))
	var keys [2][]byte
	for i := range keys {
		if err := p.create(); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(p.key("service-account"))
		if err != nil {
			t.Fatal(err)
		}
		keys[i] = data
	}
	if !bytes.Equal(keys[0], keys[1]) {
		t.Error("a second start signs tokens with another key")
	}
}

// One real control plane: it starts although nothing listens to its audit events yet,
// delivers them once something does, refuses to start twice, and is gone after stop.
func TestStartAndStop(t *testing.T) {
	requireBuilt(t)
	dir := t.TempDir()
	receiver := newReceiver()
	address := receiver.Listener.Addr().String()
	receiver.Listener.Close()

	tokenFile := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(tokenFile, []byte("let-me-in"), 0o600); err != nil {
		t.Fatal(err)
	}
	opts := startOptions{dir: dir, controllerManager: true, webhookURL: "https://" + address + "/audit", webhookTokenFile: tokenFile}
	if err := start(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stopAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := start(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "already runs") {
		t.Errorf("second start: %v", err)
	}
	receiver.listenAt(t, address, pki(filepath.Join(dir, "pki")))
	kubectlCreate(t, dir, "secret", "generic", "bait", "--from-literal=password=hunter2")
	receiver.waitForSecret(t)

	if log, err := os.ReadFile(filepath.Join(dir, "audit.log")); err != nil || bytes.Contains(log, []byte("hunter2")) {
		t.Errorf("audit log holds a secret value, or cannot be read (%v)", err)
	}
	if err := stopAll(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range components {
		if pid, err := runningPID(dir, name); pid != 0 || err != nil {
			t.Errorf("%s after stop: pid %d, %v", name, pid, err)
		}
	}
}

func requireBuilt(t *testing.T) {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") != "" {
		return
	}
	dir, err := kubernetes.cacheDir()
	if err != nil {
		t.Skip(err)
	}
	if len(missing(dir, binaries)) > 0 {
		t.Skip("the control plane is not built yet: run make assets")
	}
}

func kubectlCreate(t *testing.T, dir string, args ...string) {
	t.Helper()
	assets, err := assetsDir(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(assets, kubectl),
		append([]string{"--kubeconfig=" + filepath.Join(dir, "admin.kubeconfig"), "create"}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("kubectl create: %v\n%s", err, out)
	}
}

// receiver is the far end of the audit webhook; it keeps what it is sent with the right token.
type receiver struct {
	*httptest.Server
	secrets chan string
}

func newReceiver() *receiver {
	r := &receiver{secrets: make(chan string, 100)}
	r.Server = httptest.NewUnstartedServer(http.HandlerFunc(r.receive))
	return r
}

func (r *receiver) receive(w http.ResponseWriter, req *http.Request) {
	if req.Header.Get("Authorization") != "Bearer let-me-in" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var list struct {
		Items []struct {
			Verb      string `json:"verb"`
			ObjectRef struct{ Resource, Name string }
		} `json:"items"`
	}
	if err := json.NewDecoder(req.Body).Decode(&list); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	for _, event := range list.Items {
		if event.ObjectRef.Resource == "secrets" && event.Verb == "create" {
			r.secrets <- event.ObjectRef.Name
		}
	}
}

func (r *receiver) listenAt(t *testing.T, address string, p pki) {
	t.Helper()
	certificate, err := tls.LoadX509KeyPair(p.cert("audit-webhook"), p.key("audit-webhook"))
	if err != nil {
		t.Fatal(err)
	}
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	r.Listener = listener
	r.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	r.StartTLS()
	t.Cleanup(r.Close)
}

func (r *receiver) waitForSecret(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for {
		select {
		case name := <-r.secrets:
			if name == "bait" {
				return
			}
		case <-ctx.Done():
			t.Fatal("the webhook never got the event of the Secret")
		}
	}
}
