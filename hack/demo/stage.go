package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/hack/lab"
)

// stage is where the demo plays: a work folder with kubeconfigs, logs and data, the
// programs, and what is printed.
type stage struct {
	*lab.Lab
	out io.Writer
	tty bool
	t0  time.Time
}

func (s *stage) kubeconfig(who string) string { return s.File(who + ".kubeconfig") }

// build makes the binaries of the control plane and of Tocsin, where caches do not hold them.
func (s *stage) build(ctx context.Context) error {
	if err := s.Clean(ctx); err != nil {
		return err
	}
	s.chapter("Build")
	s.say("go build -o .demo/bin/ ./cmd/tocsin ./cmd/kubectl-soc (minutes the first time, seconds after)")
	if err := s.Build(ctx, "./cmd/tocsin", "./cmd/kubectl-soc"); err != nil {
		return err
	}
	s.t0 = time.Now()
	return nil
}

// chapter prints a heading.
func (s *stage) chapter(format string, args ...any) {
	fmt.Fprintf(s.out, "\n%s\n", s.paint("1", fmt.Sprintf("== %s  [%s]", fmt.Sprintf(format, args...), time.Since(s.t0).Round(time.Second))))
}

// say prints a remark.
func (s *stage) say(format string, args ...any) {
	fmt.Fprintln(s.out, s.paint("2", "# "+fmt.Sprintf(format, args...)))
}

func (s *stage) paint(code, text string) string {
	if !s.tty {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// run prints a command, runs it as somebody and prints what it prints.
func (s *stage) run(ctx context.Context, who string, command ...string) (string, error) {
	fmt.Fprintf(s.out, "%s %s\n", s.paint("36", who+" $"), s.paint("36", strings.Join(command, " ")))
	return s.silent(ctx, who, s.out, command...)
}

// silent runs a command as somebody; its output goes to echo as well as into the result.
func (s *stage) silent(ctx context.Context, who string, echo io.Writer, command ...string) (string, error) {
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, s.look(command[0]), command[1:]...)
	cmd.Dir = s.Root
	cmd.Env = append(os.Environ(), "KUBECONFIG="+s.kubeconfig(who), "PATH="+s.Path())
	cmd.Stdout = io.MultiWriter(echo, &output)
	cmd.Stderr = cmd.Stdout
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, strings.TrimSpace(output.String()))
	}
	return output.String(), err
}

// look finds a command on the demo's PATH, which is not the one of this process.
func (s *stage) look(name string) string {
	if strings.ContainsRune(name, '/') {
		return name
	}
	for _, dir := range filepath.SplitList(s.Path()) {
		candidate := filepath.Join(dir, name)
		if info, err := os.Stat(candidate); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
			return candidate
		}
	}
	return name
}

// refused runs a command that must fail with a message that contains a text.
func (s *stage) refused(ctx context.Context, who, want string, command ...string) error {
	output, err := s.run(ctx, who, command...)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return fmt.Errorf("%s: was not refused", strings.Join(command, " "))
	case !errors.As(err, &exit):
		return err
	case !strings.Contains(output, want):
		return fmt.Errorf("%s: refused, but not with %q", strings.Join(command, " "), want)
	}
	s.say("refused, as it must be")
	return nil
}
