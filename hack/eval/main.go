// Command eval plays scenarios with known answers and says how often Tocsin is right.
//
// SCENARIOS=DIR plays those of a folder instead of test/scenarios. EXPLAIN=PATTERN tells the
// cases of those only whose name begins so, sum by sum. DATA=DIR scores what
// ships on sets of others, too. OUT=file writes the figures as flat JSON. It fails
// where an attack is closed as benign, a hostile text changes a verdict or a scenario
// cannot be played. docs/scenarios.md says what each figure means.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/tocsin-dev/tocsin/hack/eval/external"
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
	o, err := settings()
	if err != nil {
		return err
	}
	scenarios, err := scenario.Load(o.scenarios)
	if err != nil {
		return err
	}
	if len(scenarios) == 0 {
		return fmt.Errorf("SCENARIOS: %s holds no .yaml file with a scenario", o.scenarios)
	}
	l := &lab.Lab{Root: o.root, Dir: filepath.Join(o.root, ".eval")}
	court, stop, err := open(ctx, l)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop(context.WithoutCancel(ctx)), os.RemoveAll(l.Dir)) }()
	if o.explain != "" {
		return explain(ctx, os.Stdout, court, scenarios, o.explain)
	}
	t := &tally{}
	if err := t.play(ctx, court, scenarios); err != nil {
		return err
	}
	figures := t.figures()
	t.print(os.Stdout)
	if o.data != "" {
		if err := measure(o, court, figures); err != nil {
			return fmt.Errorf("DATA: %w", err)
		}
	}
	if o.out != "" {
		if err := write(o.out, figures); err != nil {
			return fmt.Errorf("OUT: %w", err)
		}
	}
	return t.failed()
}

// options are what the environment asks for.
type options struct{ root, scenarios, data, out, explain string }

// settings errs at once on what would only be noticed when all is played.
func settings() (options, error) {
	root, err := os.Getwd()
	if err != nil {
		return options{}, err
	}
	if _, err := os.Stat(filepath.Join(root, "hack", "eval")); err != nil {
		return options{}, fmt.Errorf("run it from the root of the project, with make eval: %w", err)
	}
	o := options{root: root, scenarios: os.Getenv("SCENARIOS"), data: os.Getenv("DATA"), out: os.Getenv("OUT"), explain: os.Getenv("EXPLAIN")}
	if o.scenarios == "" {
		o.scenarios = filepath.Join("test", "scenarios")
	}
	folders := map[string]string{"SCENARIOS": o.scenarios}
	if o.data != "" {
		folders["DATA"] = o.data
	}
	if o.out != "" {
		folders["OUT"] = filepath.Dir(o.out)
	}
	for name, folder := range folders {
		if found, err := os.Stat(folder); err != nil || !found.IsDir() {
			return o, errors.Join(fmt.Errorf("%s: expected a folder: %s", name, folder), err)
		}
	}
	return o, nil
}

// measure scores what ships on the sets of others.
func measure(o options, court *trial.Court, figures map[string]float64) error {
	books, err := court.Playbooks()
	if err != nil {
		return err
	}
	s, err := external.Measure(os.DirFS(o.data), filepath.Join(o.root, "config"), books)
	if err != nil {
		return err
	}
	printExternal(os.Stdout, s)
	addExternal(figures, s)
	return nil
}

func write(path string, figures map[string]float64) error {
	raw, err := json.MarshalIndent(figures, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(raw, '\n'), 0o644)
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
