// Command controlplane builds, starts and stops a real Kubernetes control plane
// on this machine, without root, containers or binary downloads; and with root
// nodes that run pods.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

const usage = `usage: controlplane <command>

  build [--nodes]       build etcd, kube-apiserver, kube-controller-manager and kubectl where missing; what nodes need too
  assets                print the folder that holds them (KUBEBUILDER_ASSETS), building where necessary
  start --dir DIR ...   start a control plane that keeps its data, logs and admin.kubeconfig in DIR
  stop  --dir DIR       stop what start started there
  sandbox COMMAND ...   run a command from which "start --nodes" works; all that it started is gone afterwards (root)
`

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			os.Exit(2)
		}
		fmt.Fprintln(os.Stderr, "controlplane:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return flag.ErrHelp
	}
	switch args[0] {
	case "build":
		return buildCommand(ctx, args[1:])
	case "assets":
		dir, err := assetsDir(ctx)
		if err != nil {
			return err
		}
		fmt.Println(dir)
		return nil
	case "start":
		opts, err := parseStart(args[1:])
		if err != nil {
			return err
		}
		return start(ctx, opts)
	case "stop":
		opts, err := parseStop(args[1:])
		if err != nil {
			return err
		}
		return stopAll(opts)
	case "sandbox":
		return sandbox(ctx, args[1:])
	case insideCommand:
		return inside(args[1:])
	default:
		fmt.Fprint(os.Stderr, usage)
		return fmt.Errorf("unknown command %q", args[0])
	}
}

func buildCommand(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("build", flag.ContinueOnError)
	node := fs.Bool("nodes", false, "build what nodes need too")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if _, err := kubernetes.ensureBuilt(ctx, binaries); err != nil || !*node {
		return err
	}
	_, _, err := buildNode(ctx)
	return err
}

type startOptions struct {
	dir               string
	webhookURL        string
	webhookTokenFile  string
	auditPolicy       string
	controllerManager bool
	withNodes         bool
}

func parseStart(args []string) (startOptions, error) {
	var o startOptions
	fs := flag.NewFlagSet("start", flag.ContinueOnError)
	fs.StringVar(&o.dir, "dir", "", "folder for data, logs, pids and admin.kubeconfig")
	fs.StringVar(&o.webhookURL, "audit-webhook-url", "", "where to post audit events; nothing need listen yet. Whoever serves it on\nthis machine over https may use DIR/pki/audit-webhook.crt and .key")
	fs.StringVar(&o.webhookTokenFile, "audit-webhook-token-file", "", "file with the bearer token for that URL")
	fs.StringVar(&o.auditPolicy, "audit-policy", "", "audit policy file (default: the one built in)")
	fs.BoolVar(&o.controllerManager, "controller-manager", false, "start kube-controller-manager too")
	fs.BoolVar(&o.withNodes, "nodes", false, "start kube-controller-manager, kube-scheduler and two nodes that run pods of image\n"+busyboxImage)
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	o.controllerManager = o.controllerManager || o.withNodes
	if fs.NArg() > 0 {
		return o, fmt.Errorf("start takes no argument %q", fs.Arg(0))
	}
	// kube-apiserver leaves the token out, silently, unless it speaks TLS.
	if o.webhookTokenFile != "" && !strings.HasPrefix(o.webhookURL, "https://") {
		return o, errors.New("--audit-webhook-token-file needs an --audit-webhook-url that starts with https://")
	}
	// The API server runs on after this command: none of its paths may depend on
	// the folder the command was called in.
	for _, path := range []*string{&o.dir, &o.webhookTokenFile, &o.auditPolicy} {
		if err := makeAbsolute(path); err != nil {
			return o, err
		}
	}
	return o, requireDir(o.dir)
}

func parseStop(args []string) (string, error) {
	var dir string
	fs := flag.NewFlagSet("stop", flag.ContinueOnError)
	fs.StringVar(&dir, "dir", "", "the folder given to start")
	if err := fs.Parse(args); err != nil {
		return "", err
	}
	if err := makeAbsolute(&dir); err != nil {
		return "", err
	}
	return dir, requireDir(dir)
}

func requireDir(dir string) error {
	if dir == "" {
		return errors.New("--dir is required")
	}
	return nil
}

func makeAbsolute(path *string) error {
	if *path == "" {
		return nil
	}
	abs, err := filepath.Abs(*path)
	*path = abs
	return err
}
