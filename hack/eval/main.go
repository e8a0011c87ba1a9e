// Command eval plays scenarios with known answers and says how often Tocsin is right.
//
// SCENARIOS=DIR plays those of a folder instead of test/scenarios. OUT=file writes the
// figures as flat JSON. It fails where an attack is closed as benign or a hostile
// text changes a verdict. docs/scenarios.md says what each figure means.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/tocsin-dev/tocsin/hack/eval/scenario"
	"github.com/tocsin-dev/tocsin/hack/eval/trial"
	"github.com/tocsin-dev/tocsin/hack/lab"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log.SetLogger(logr.Discard())
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "eval:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(root, "hack", "eval")); err != nil {
		return fmt.Errorf("run it from the root of the project, with make eval: %w", err)
	}
	dir := os.Getenv("SCENARIOS")
	if dir == "" {
		dir = filepath.Join(root, "test", "scenarios")
	}
	scenarios, err := scenario.Load(dir)
	if err != nil {
		return err
	}
	if len(scenarios) == 0 {
		return fmt.Errorf("%s: holds no scenario", dir)
	}
	l := &lab.Lab{Root: root, Dir: filepath.Join(root, ".eval")}
	court, stop, err := open(ctx, l)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop(context.WithoutCancel(ctx)), os.RemoveAll(l.Dir)) }()
	t := &tally{}
	if err := t.play(ctx, court, scenarios); err != nil {
		return err
	}
	t.print(os.Stdout)
	if out := os.Getenv("OUT"); out != "" {
		if err := t.write(out); err != nil {
			return fmt.Errorf("OUT: %w", err)
		}
	}
	return t.unsafe()
}

// open starts a control plane to play on.
func open(ctx context.Context, l *lab.Lab) (*trial.Court, func(context.Context) error, error) {
	if err := errors.Join(l.Clean(ctx), l.Build(ctx)); err != nil {
		return nil, nil, err
	}
	cluster, err := l.StartCluster(ctx)
	if err != nil {
		return nil, nil, err
	}
	err = l.Kubectl(ctx, cluster.Kubeconfig, "apply", "--server-side", "-k", "config/crd")
	if err == nil {
		err = l.Kubectl(ctx, cluster.Kubeconfig, "wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
	}
	var court *trial.Court
	if err == nil {
		court, err = trial.Open(ctx, cluster.Admin, filepath.Join(l.Root, "config"))
	}
	if err != nil {
		return nil, nil, errors.Join(err, cluster.Stop(context.WithoutCancel(ctx)))
	}
	return court, cluster.Stop, nil
}

// progress tells how far it is, at most every two seconds.
type progress struct {
	all  int
	done int
	told time.Time
}

func (p *progress) step() {
	p.done++
	if time.Since(p.told) > 2*time.Second || p.done == p.all {
		p.told = time.Now()
		fmt.Fprintf(os.Stderr, "%d of %d played\n", p.done, p.all)
	}
}
