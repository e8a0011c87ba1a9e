// Command kubectl-soc is the plugin behind kubectl soc: it shows cases and
// decides on actions, with the rights of whoever runs it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/tocsin-dev/tocsin/internal/story"
)

// version is set when a release is built.
var version = "unknown"

// patience as people have it who have just answered.
const patience = 10 * time.Second

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c := &cli{
		IOStreams: genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr},
		flags:     genericclioptions.NewConfigFlags(true),
		terminal:  term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd())),
		colour:    os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(os.Stdout.Fd())),
		now:       time.Now,
		zone:      time.Local,
		patience:  patience,
	}
	if err := newRoot(c).ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error: "+story.Plain(err.Error()))
		return 1
	}
	return 0
}

// cli is what every verb shares.
type cli struct {
	genericiooptions.IOStreams
	flags *genericclioptions.ConfigFlags
	// terminal: there is somebody to ask.
	terminal, colour bool
	now              func() time.Time
	zone             *time.Location
	// patience is how long a verb waits for the operator.
	patience time.Duration
}

func (c *cli) style() story.Style { return story.Style{Now: c.now(), Zone: c.zone, Colour: c.colour} }

func newRoot(c *cli) *cobra.Command {
	root := &cobra.Command{
		Use:   "kubectl-soc",
		Short: "Read cases, and decide on what is done about them",
		Long: "Read cases, and decide on what is done about them.\n\n" +
			"Every verb acts with your own rights: what you may not do with kubectl, you may not do with kubectl soc.",
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl soc"},
	}
	root.SetIn(c.In)
	root.SetOut(c.Out)
	root.SetErr(c.ErrOut)
	c.flags.AddFlags(root.PersistentFlags())
	root.AddCommand(
		newPending(c), newApprove(c), newDeny(c), newUndo(c),
		newCases(c), newCase(c), newExplain(c), newGrade(c), newAudit(c),
		newLint(c), newTest(c), newPolicy(c),
	)
	return root
}
