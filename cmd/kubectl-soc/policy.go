package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tocsin-dev/tocsin/internal/lint"
	"github.com/tocsin-dev/tocsin/internal/story"
)

func newPolicy(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Try ApprovalPolicies before they decide",
		RunE: func(*cobra.Command, []string) error {
			return errors.New("nothing was tried: say kubectl soc policy test DIR, or kubectl soc policy replay FILE")
		},
	}
	cmd.AddCommand(newPolicyTest(c), newPolicyReplay(c))
	return cmd
}

func newPolicyTest(c *cli) *cobra.Command {
	out := format{allowed: []string{"json"}}
	least := 0
	cmd := &cobra.Command{
		Use:   "test DIR...",
		Short: "Run the tests inside ApprovalPolicies, and say what of each rule they cover, without a cluster",
		Long: "Run the tests inside ApprovalPolicies, and say what of each rule they cover, without a cluster.\n\n" +
			"Reads what kubectl soc lint reads. The tests run as in the operator, which puts nothing in force whose tests do not pass. " +
			"A test that decides on a document that cannot be, such as one with a field that no input has, fails here as well.",
		Example: "  kubectl soc policy test soc/policies\n  kubectl soc policy test --min-coverage 90 -o json soc/policies/freeze.yaml",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			if least < 0 || least > 100 {
				return fmt.Errorf("--min-coverage: must be 0 to 100 percent, not %d", least)
			}
			return c.testPolicies(cmd.Context(), args, out.value, least)
		},
	}
	out.addFlag(cmd, "for machines: json")
	cmd.Flags().IntVar(&least, "min-coverage", 0, "fail where the tests of a policy evaluate less than this percentage of its lines")
	return cmd
}

func (c *cli) testPolicies(ctx context.Context, paths []string, format string, least int) error {
	files, err := c.manifests(paths)
	if err != nil {
		return err
	}
	policies := lint.TestPolicies(ctx, files, c.offline())
	if format == "json" {
		err = writeJSON(c.Out, policies)
	} else {
		c.printTests(policies.Tests)
		c.printCoverage(policies.Coverage)
	}
	switch {
	case err != nil:
		return err
	case len(policies.Results) == 0:
		return fmt.Errorf("nothing was tested: no ApprovalPolicy in %s has a test", strings.Join(paths, ", "))
	case policies.Failed() > 0:
		return fmt.Errorf("%d of %s failed", policies.Failed(), count(len(policies.Results), "test"))
	}
	for _, p := range policies.Coverage {
		if p.Percent < float64(least) {
			return fmt.Errorf("%s:%d: the tests of ApprovalPolicy %s cover %.1f %% of its lines, less than the %d %% of --min-coverage", p.File, p.Line, p.Name, p.Percent, least)
		}
	}
	if format == "" {
		fmt.Fprintf(c.Out, "%s passed\n", count(len(policies.Results), "test"))
	}
	return nil
}

func (c *cli) printCoverage(policies []lint.Coverage) {
	for _, p := range policies {
		fmt.Fprintf(c.Out, "%5.1f %% of ApprovalPolicy %s is covered: %d of %s\n", p.Percent, story.Plain(p.Name), p.Covered, count(p.Lines, "line"))
		for _, r := range p.Rules {
			if len(r.NotCovered) > 0 {
				fmt.Fprintf(c.Out, "      %s:%d: no test evaluates %s of rule %s\n", story.Plain(p.File), r.NotCovered[0], lines(r.NotCovered), r.Name)
			}
		}
	}
}

// lines in words, those in a row as one.
func lines(numbers []int) string {
	var parts []string
	for i := 0; i < len(numbers); {
		from := i
		for i++; i < len(numbers) && numbers[i] == numbers[i-1]+1; i++ {
		}
		if part := fmt.Sprint(numbers[from]); i-from > 1 {
			parts = append(parts, fmt.Sprintf("%s-%d", part, numbers[i-1]))
		} else {
			parts = append(parts, part)
		}
	}
	if len(numbers) == 1 {
		return "line " + parts[0]
	}
	return "lines " + strings.Join(parts, ", ")
}
