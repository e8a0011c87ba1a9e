// Command demo attacks a real API server and lets Tocsin detect, investigate,
// contain and prove it. It ends 0 only if all of that was seen.
//
// KUBECONFIG names an existing cluster to use instead of one of its own, and AUDIT_LOG
// the file that its API server writes audit events to; in the end the demo removes
// what it made there. KEEP=1 leaves everything running. KILLS=n kills the operator with SIGKILL at n random moments of the story.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/tocsin-dev/tocsin/hack/lab"
)

// limit of the whole demo, after its binaries are built.
const limit = 10 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log.SetLogger(logr.Discard())
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "\ndemo: FAILED:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	s, err := newStage()
	if err != nil {
		return err
	}
	kills, err := strconv.Atoi(valueOr(os.Getenv("KILLS"), "0"))
	if err != nil {
		return fmt.Errorf("KILLS: must be a number: %w", err)
	}
	if err := s.build(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()

	p := &play{stage: s, kills: kills}
	defer func() {
		if err == nil && os.Getenv("KEEP") != "" {
			p.lookAround()
			return
		}
		p.tearDown()
		if err != nil {
			s.say("logs are in %s", s.Dir)
		}
	}()
	if err := p.perform(ctx); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "\n%s\n", s.paint("1;32", fmt.Sprintf("PASS: detected, investigated, contained, undone and proven in %s%s", time.Since(s.t0).Round(time.Second), p.survived())))
	return nil
}

// survived says how often the operator died on the way.
func (p *play) survived() string {
	if deaths := p.operator.died(); deaths > 0 {
		return fmt.Sprintf(", %d deaths of the operator included", deaths)
	}
	return ""
}

func newStage() (*stage, error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(root, "hack", "demo")); err != nil {
		return nil, fmt.Errorf("run it from the root of the project, with make demo: %w", err)
	}
	info, err := os.Stdout.Stat()
	if err != nil {
		return nil, err
	}
	tty := info.Mode()&os.ModeCharDevice != 0
	return &stage{Lab: &lab.Lab{Root: root, Dir: filepath.Join(root, ".demo")}, out: os.Stdout, tty: tty, t0: time.Now()}, nil
}

func valueOr(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}
