package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	scheduler  = "kube-scheduler"
	kubelet    = "kubelet"
	containerd = "containerd"

	nodeCount = 2
)

// What a node needs beside a control plane: of Kubernetes, and to run containers.
var (
	nodeBinaries = []binary{
		{name: scheduler, pkg: "k8s.io/kubernetes/cmd/kube-scheduler"},
		{name: kubelet, pkg: "k8s.io/kubernetes/cmd/kubelet"},
	}
	runtimeBinaries = []binary{
		{name: containerd, pkg: "github.com/containerd/containerd/v2/cmd/containerd", flags: []string{"-tags", "no_btrfs,no_zfs"}},
		{name: "containerd-shim-runc-v2", pkg: "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2"},
		{name: "ctr", pkg: "github.com/containerd/containerd/v2/cmd/ctr"},
		{name: "bridge", pkg: "github.com/containernetworking/plugins/plugins/main/bridge"},
		{name: "loopback", pkg: "github.com/containernetworking/plugins/plugins/main/loopback"},
		{name: "host-local", pkg: "github.com/containernetworking/plugins/plugins/ipam/host-local"},
	}
)

// buildNode builds what is missing, and returns the folder of Kubernetes' programs and the runtime's.
func buildNode(ctx context.Context) (programs, tools string, err error) {
	if programs, err = kubernetes.ensureBuilt(ctx, nodeBinaries); err != nil {
		return "", "", err
	}
	tools, err = containerRuntime.ensureBuilt(ctx, runtimeBinaries)
	return programs, tools, err
}

// node is one of the machines that a sandbox plays, all of them on the same network.
type node struct {
	number int
	// dir holds its configuration, logs and pids.
	dir string
}

func (p *plane) nodes() []node { return nodesIn(p.dir) }

// nodesIn are two, so that what leaves one can start on the other.
func nodesIn(dir string) []node {
	var all []node
	for number := 1; number <= nodeCount; number++ {
		all = append(all, node{number: number, dir: filepath.Join(dir, nodeName(number))})
	}
	return all
}

func nodeName(number int) string { return fmt.Sprintf("node-%d", number) }

func (n node) name() string { return nodeName(n.number) }

// address is that of the bridge which the node's pods are attached to.
func (n node) address() string { return fmt.Sprintf("10.244.%d.1", n.number) }
func (n node) bridge() string  { return fmt.Sprintf("pods%d", n.number) }
func (n node) socket() string  { return "/run/" + n.name() + "/containerd.sock" }

func (n node) file(name string) string { return filepath.Join(n.dir, name) }

// startNodes makes the sandbox around this process the nodes of the cluster.
func (p *plane) startNodes(ctx context.Context) error {
	programs, tools, err := buildNode(ctx)
	if err != nil {
		return err
	}
	if err := p.startScheduler(ctx, programs); err != nil {
		return err
	}
	images := p.file("images.tar")
	if err := writeImage(ctx, images); err != nil {
		return err
	}
	for _, n := range p.nodes() {
		done := showProgress(os.Stderr, "Starting "+n.name())
		err := n.writeFiles(p, tools)
		if err == nil {
			err = n.startContainerd(ctx, tools, images)
		}
		if err == nil {
			err = n.startKubelet(ctx, p, programs)
		}
		done(err)
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *plane) startScheduler(ctx context.Context, programs string) error {
	const address = "https://127.0.0.1:10259" // nobody else is in the sandbox
	if err := writeClientKubeconfig(p.file(scheduler+".kubeconfig"), p.apiURL(), p.pki, scheduler); err != nil {
		return err
	}
	proc, err := launch(p.dir, scheduler, filepath.Join(programs, scheduler), []string{
		"--kubeconfig=" + p.file(scheduler+".kubeconfig"),
		"--authentication-kubeconfig=" + p.file(scheduler+".kubeconfig"),
		"--authorization-kubeconfig=" + p.file(scheduler+".kubeconfig"),
		"--bind-address=127.0.0.1",
		"--tls-cert-file=" + p.pki.cert(apiServer),
		"--tls-private-key-file=" + p.pki.key(apiServer),
		"--leader-elect=false",
	})
	if err != nil {
		return err
	}
	return proc.waitFor(ctx, 60*time.Second, func(ctx context.Context) error {
		return p.available(ctx, address+"/readyz")
	})
}

func (n node) writeFiles(p *plane, tools string) error {
	if err := os.MkdirAll(n.file("cni"), 0o755); err != nil {
		return err
	}
	if err := writeClientKubeconfig(n.file("kubelet.kubeconfig"), p.apiURL(), p.pki, n.name()); err != nil {
		return err
	}
	runc, err := findRunc()
	if err != nil {
		return err
	}
	for name, text := range map[string]string{
		"containerd.toml":   n.containerdConfig(tools, runc),
		"cni/pods.conflist": n.networkConfig(),
		"kubelet.yaml":      n.kubeletConfig(p.pki.cert("ca"), os.Getenv(sandboxVariable)),
	} {
		if err := os.WriteFile(n.file(name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// findRunc is the machine's: it is the one program that would need a C compiler.
func findRunc() (string, error) {
	path, err := exec.LookPath("runc")
	if err != nil {
		return "", errors.New("containers need runc (Debian: apt-get install runc)")
	}
	return path, nil
}

// startContainerd starts it and gives it the images that pods may name.
func (n node) startContainerd(ctx context.Context, tools, images string) error {
	proc, err := launch(n.dir, containerd, filepath.Join(tools, containerd), []string{"--config=" + n.file("containerd.toml")})
	if err != nil {
		return err
	}
	ctr := func(ctx context.Context, args ...string) error {
		return succeeds(exec.CommandContext(ctx, filepath.Join(tools, "ctr"), append([]string{"--address", n.socket(), "--namespace", "k8s.io"}, args...)...))
	}
	err = proc.waitFor(ctx, 60*time.Second, func(ctx context.Context) error {
		return ctr(ctx, "--connect-timeout", "2s", "version")
	})
	if err != nil {
		return err
	}
	return ctr(ctx, "images", "import", images)
}

func (n node) startKubelet(ctx context.Context, p *plane, programs string) error {
	proc, err := launch(n.dir, kubelet, filepath.Join(programs, kubelet), []string{
		"--config=" + n.file("kubelet.yaml"),
		"--kubeconfig=" + n.file("kubelet.kubeconfig"),
		"--root-dir=" + n.rootDir(),
		"--hostname-override=" + n.name(),
		"--node-ip=" + n.address(),
	})
	if err != nil {
		return err
	}
	return proc.waitFor(ctx, 120*time.Second, func(ctx context.Context) error {
		return succeeds(exec.CommandContext(ctx, filepath.Join(p.assets, kubectl), "--kubeconfig="+p.file("admin.kubeconfig"),
			"wait", "--for=condition=Ready", "--timeout=5s", "node/"+n.name()))
	})
}

func succeeds(cmd *exec.Cmd) error {
	output, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, strings.TrimSpace(string(output)))
	}
	return nil
}

// checkSandbox: a node would write all over the machine.
func checkSandbox() error {
	if os.Getenv(sandboxVariable) == "" {
		return errors.New("--nodes work in a sandbox only: controlplane sandbox COMMAND, and start it from COMMAND")
	}
	return nil
}
