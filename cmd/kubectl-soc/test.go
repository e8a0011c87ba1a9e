package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tocsin-dev/tocsin/internal/lint"
	"github.com/tocsin-dev/tocsin/internal/story"
)

func newTest(c *cli) *cobra.Command {
	out := format{allowed: []string{"json", "junit"}}
	cmd := &cobra.Command{
		Use:   "test DIR...",
		Short: "Run the tests inside detections, playbooks and policies, without a cluster",
		Long: "Run the tests inside detections, playbooks and policies, without a cluster.\n\n" +
			"Reads what kubectl soc lint reads. The tests run as in the operator, which puts nothing in force whose tests do not pass.",
		Example: "  kubectl soc test soc/\n  kubectl soc test -o junit soc/ > junit.xml",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			return c.test(cmd.Context(), args, out.value)
		},
	}
	out.addFlag(cmd, "for machines: json or junit")
	return cmd
}

func (c *cli) test(ctx context.Context, paths []string, format string) error {
	files, err := c.manifests(paths)
	if err != nil {
		return err
	}
	tests := lint.Test(ctx, files, c.offline())
	switch format {
	case "json":
		err = writeJSON(c.Out, tests)
	case "junit":
		err = writeJUnit(c.Out, tests)
	default:
		c.printTests(tests)
	}
	switch {
	case err != nil:
		return err
	case len(tests.Results) == 0:
		return fmt.Errorf("nothing was tested: no detection, playbook or policy in %s has a test", strings.Join(paths, ", "))
	case tests.Failed() > 0:
		return fmt.Errorf("%d of %s failed", tests.Failed(), count(len(tests.Results), "test"))
	case format == "":
		fmt.Fprintf(c.Out, "%s passed\n", count(len(tests.Results), "test"))
	}
	return nil
}

func (c *cli) printTests(tests lint.Tests) {
	for _, r := range tests.Results {
		fmt.Fprintf(c.Out, "%s  %s (%.2fs)\n", c.passed(r), story.Plain(title(r)), r.Took.Seconds())
		if r.Failure == "" {
			continue
		}
		for line := range strings.Lines(r.Failure) {
			fmt.Fprintf(c.Out, "      %s:%d: %s\n", story.Plain(r.File), r.Line, story.Plain(line))
		}
	}
	for _, r := range tests.Untested {
		fmt.Fprintf(c.Out, "?     %s has no tests\n", story.Plain(title(r)))
	}
}

func (c *cli) passed(r lint.Result) string {
	switch {
	case r.Failure == "" && c.colour:
		return "\x1b[32mPASS\x1b[0m"
	case r.Failure == "":
		return "PASS"
	case c.colour:
		return "\x1b[31mFAIL\x1b[0m"
	}
	return "FAIL"
}

// title of a test, or of the object where there is no test.
func title(r lint.Result) string {
	object := strings.TrimSpace(r.Kind + " " + r.Name)
	if object == "" {
		object = r.File
	}
	if r.Test == "" {
		return object
	}
	return object + ": " + r.Test
}
