// Command bench measures Tocsin on a real control plane of its own: how much it
// asks of the API server, how fast it reacts, how much it takes in.
//
// OUT=file writes the figures as flat JSON. KEEP=1 keeps the logs in .bench.
// ONLY=reaction takes only the steps whose title has that word. It fails only when
// something does not work, never because of a figure.
// docs/benchmarks.md says what each figure means.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/tocsin-dev/tocsin/hack/lab"
)

// limit of the whole run, after its binaries are built.
const limit = 15 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log.SetLogger(logr.Discard())
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(root, "hack", "bench")); err != nil {
		return fmt.Errorf("run it from the root of the project, with make bench: %w", err)
	}
	b := &bench{lab: &lab.Lab{Root: root, Dir: filepath.Join(root, ".bench")}, figures: newFigures(), began: time.Now()}
	if err := b.measure(ctx); err != nil {
		return fmt.Errorf("%w\nlogs are in %s", err, b.lab.Dir)
	}
	fmt.Println()
	if err := b.figures.print(os.Stdout); err != nil {
		return err
	}
	if out := os.Getenv("OUT"); out != "" {
		if err := b.figures.write(out); err != nil {
			return fmt.Errorf("OUT: %w", err)
		}
	}
	if os.Getenv("KEEP") != "" {
		return nil
	}
	return os.RemoveAll(b.lab.Dir)
}

// measure runs every phase, and ends what it started whatever happens.
func (b *bench) measure(ctx context.Context) (err error) {
	if err := b.step(ctx, "build", b.build); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	defer func() { err = errors.Join(err, b.stop(context.WithoutCancel(ctx))) }()
	for _, phase := range []struct {
		title string
		run   func(context.Context) error
	}{
		{"engines: detection, policy, verdict", b.engines},
		{raising, b.raise},
		{opening, b.open},
		{"memory when idle", b.idle},
		{"alerts closed end to end", b.closed},
		{"what the API server itself does", b.raw},
		{"reaction at 10 events a second", b.reactFast},
		{"reaction at 1 event a second", b.reactSlow},
		{"repeats of one alert", b.repeats},
		{"memory with open alerts", b.memory},
		{"events accepted, and what JetStream itself does", b.ingest},
		{"a Critical alert behind 10,000 of little severity", b.queued},
	} {
		if !wanted(phase.title) {
			continue
		}
		if err := b.step(ctx, phase.title, phase.run); err != nil {
			return err
		}
	}
	return nil
}

// Steps that all others but the first need.
const (
	raising = "control plane"
	opening = "operator, tenant and pods"
)

func wanted(title string) bool {
	return title == raising || title == opening || strings.Contains(title, os.Getenv("ONLY"))
}

// step tells what is being done and how long it took.
func (b *bench) step(ctx context.Context, title string, run func(context.Context) error) error {
	began := time.Now()
	fmt.Fprintf(os.Stderr, "[%3.0fs] %s\n", time.Since(b.began).Seconds(), title)
	if err := run(ctx); err != nil {
		return fmt.Errorf("%s: %w", title, err)
	}
	b.note("done in %s", time.Since(began).Round(100*time.Millisecond))
	return nil
}

// note tells something about the step.
func (b *bench) note(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "       %s\n", fmt.Sprintf(format, args...))
}
