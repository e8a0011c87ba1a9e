package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tocsin-dev/tocsin/internal/check"
	"github.com/tocsin-dev/tocsin/internal/lint"
	"github.com/tocsin-dev/tocsin/internal/story"
)

func newLint(c *cli) *cobra.Command {
	out := format{allowed: []string{"json", "sarif"}}
	strict := false
	cmd := &cobra.Command{
		Use:   "lint DIR...",
		Short: "Check manifests as the API server and the operator would, without either",
		Long: "Check manifests as the API server and the operator would, without either.\n\n" +
			"Reads the YAML files in and below every DIR, single files, and - for what comes in, such as from kustomize build. What is not " +
			"of Tocsin is left alone. Errors are what would be refused or could never do what it is for; warnings are what does less " +
			"than it seems. The tests inside the manifests are run by kubectl soc test.",
		Example: "  kubectl soc lint soc/\n  kustomize build overlays/prod | kubectl soc lint --strict -\n  kubectl soc lint -o sarif soc/ > tocsin.sarif",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			return c.lint(cmd.Context(), args, out.value, strict)
		},
	}
	out.addFlag(cmd, "for machines: json or sarif")
	cmd.Flags().BoolVar(&strict, "strict", false, "fail on warnings, too")
	return cmd
}

func (c *cli) lint(ctx context.Context, paths []string, format string, strict bool) error {
	files, err := c.manifests(paths)
	if err != nil {
		return err
	}
	report := lint.Lint(ctx, files, c.offline())
	if err := c.printReport(report, format); err != nil {
		return err
	}
	failures, warnings := report.Count(check.Error), report.Count(check.Warning)
	summary := fmt.Sprintf("%s, %s in %s", count(failures, "error"), count(warnings, "warning"), count(report.Objects, "object"))
	switch {
	case failures > 0 || strict && warnings > 0:
		return fmt.Errorf("%s", summary)
	case report.Objects == 0:
		return fmt.Errorf("nothing was checked: there is no object of Tocsin's own in %s", strings.Join(paths, ", "))
	case format == "":
		fmt.Fprintln(c.Out, summary)
	}
	return nil
}

func (c *cli) printReport(report lint.Report, format string) error {
	switch format {
	case "json":
		return writeJSON(c.Out, report)
	case "sarif":
		return writeJSON(c.Out, sarif(report))
	}
	for _, f := range report.Findings {
		path := ""
		if f.Path != "" {
			path = f.Path + ": "
		}
		fmt.Fprintf(c.Out, "%s:%d: %s: %s\n", story.Plain(f.File), f.Line, c.level(f.Level), story.Plain(path+f.Message))
	}
	return nil
}

func (c *cli) level(level check.Level) string {
	switch {
	case !c.colour:
		return string(level)
	case level == check.Error:
		return "\x1b[31m" + string(level) + "\x1b[0m"
	}
	return "\x1b[33m" + string(level) + "\x1b[0m"
}

func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// count of things in words.
func count(n int, thing string) string {
	switch n {
	case 0:
		return "no " + thing + "s"
	case 1:
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
