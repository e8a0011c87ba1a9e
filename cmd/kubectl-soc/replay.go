package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	manifests "github.com/tocsin-dev/tocsin/config/admission"
	"github.com/tocsin-dev/tocsin/internal/lint"
	"github.com/tocsin-dev/tocsin/internal/policy"
	"github.com/tocsin-dev/tocsin/internal/story"
)

// period is a flag that takes days as well.
type period time.Duration

func (p *period) String() string { return time.Duration(*p).String() }

func (p *period) Type() string { return "duration" }

func (p *period) Set(text string) error {
	d, err := time.ParseDuration(text)
	if days, found := strings.CutSuffix(text, "d"); found {
		var n int
		n, err = strconv.Atoi(days)
		d = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || d <= 0 {
		return fmt.Errorf("must be a time such as 30d or 12h, not %q", text)
	}
	*p = period(d)
	return nil
}

// replay of candidates over past actions.
type replay struct {
	cli *cli
	// log is a copy of the audit log to read past actions from; empty for the API server.
	log string
	// operator is the namespace that the operator runs in.
	operator string
	since    time.Time

	candidates []v1alpha1.ApprovalPolicy
}

// replayed is what came out of it.
type replayed struct {
	Since time.Time `json:"since"`
	// Source of the past actions: log or cluster.
	Source      string              `json:"source"`
	Actions     int                 `json:"actions"`
	Differences []policy.Difference `json:"differences"`
	Skipped     []skipped           `json:"skipped"`
}

// skipped is a past action that could not be decided on again, and why.
type skipped struct {
	Namespace string `json:"namespace"`
	Action    string `json:"action"`
	Why       string `json:"why"`
}

func newPolicyReplay(c *cli) *cobra.Command {
	out := format{allowed: []string{"json"}}
	since := period(30 * 24 * time.Hour)
	r := &replay{cli: c}
	cmd := &cobra.Command{
		Use:   "replay FILE...",
		Short: "Say which past actions an ApprovalPolicy would have decided otherwise than those in force",
		Long: "Say which past actions an ApprovalPolicy would have decided otherwise than those in force.\n\n" +
			"Every action since then is decided twice on the same document: by the policies in force now, and with those of FILE in place of the ones of the same name, " +
			"or beside them. Nothing is changed. With --log the documents are those that were decided on then; without, they are made again from what the API " +
			"server has, with verdicts and labels as they are now.",
		Example: "  kubectl soc policy replay soc/policies/freeze.yaml --since 30d\n  kubectl soc policy replay freeze.yaml --log ./audit -o json",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			r.since = c.now().Add(-time.Duration(since))
			return r.run(cmd.Context(), args, out.value)
		},
	}
	out.addFlag(cmd, "for machines: json")
	cmd.Flags().Var(&since, "since", "how far back, such as 30d or 12h")
	cmd.Flags().StringVar(&r.log, "log", "", "folder with a copy of the audit log, to read from it what was decided on")
	cmd.Flags().StringVar(&r.operator, "operator-namespace", manifests.Namespace, "where the operator runs, whose policies speak of other tenants' actions")
	return cmd
}

func (r *replay) run(ctx context.Context, paths []string, format string) error {
	if err := r.load(ctx, paths); err != nil {
		return err
	}
	s, err := r.cli.connect()
	if err != nil {
		return err
	}
	for i := range r.candidates {
		if r.candidates[i].Namespace == "" {
			r.candidates[i].Namespace = s.namespace
		}
		if scope := r.candidates[i].Spec.Scope; scope != nil && len(scope.Tenants) > 0 && r.candidates[i].Namespace != r.operator {
			return fmt.Errorf("spec.scope.tenants of ApprovalPolicy %s: must be empty in namespace %s; only policies in %s (--operator-namespace) speak of other tenants' actions",
				r.candidates[i].Name, r.candidates[i].Namespace, r.operator)
		}
	}
	past, left, err := r.past(ctx, s)
	if err != nil {
		return err
	}
	inForce, err := r.inForce(ctx, s)
	if err != nil {
		return err
	}
	result := replayed{Since: r.since.UTC(), Source: "cluster", Actions: len(past), Skipped: left}
	if r.log != "" {
		result.Source = "log"
	}
	result.Differences = policy.Replay(ctx, r.operator, inForce, r.candidates, past)
	if format == "json" {
		return writeJSON(r.cli.Out, result.listed())
	}
	r.print(result)
	return nil
}

// listed has lists in place of nothing, for machines.
func (r replayed) listed() replayed {
	if r.Differences == nil {
		r.Differences = []policy.Difference{}
	}
	if r.Skipped == nil {
		r.Skipped = []skipped{}
	}
	return r
}

// load reads the candidates, which must be such as would be put in force.
func (r *replay) load(ctx context.Context, paths []string) error {
	files, err := r.cli.manifests(paths)
	if err != nil {
		return err
	}
	policies := lint.TestPolicies(ctx, files, r.cli.offline())
	for _, result := range policies.Results {
		if result.Failure != "" {
			return fmt.Errorf("%s:%d: %s: %s; it would not be put in force", result.File, result.Line, title(result), result.Failure)
		}
	}
	if len(policies.Untested) > 0 {
		u := policies.Untested[0]
		return fmt.Errorf("%s:%d: ApprovalPolicy %s has no tests, and is not put in force without", u.File, u.Line, u.Name)
	}
	if r.candidates = policies.Objects; len(r.candidates) == 0 {
		return fmt.Errorf("there is no ApprovalPolicy in %s", strings.Join(paths, ", "))
	}
	return nil
}

// concerns says whether a candidate may speak of the actions of a namespace.
func (r *replay) concerns(namespace string) bool {
	for i := range r.candidates {
		p := &r.candidates[i]
		if p.Namespace == namespace || p.Namespace == r.operator && policy.SpeaksFor(p, namespace) {
			return true
		}
	}
	return false
}

// wide says whether candidates speak of more than one namespace.
func (r *replay) wide() bool {
	for _, p := range r.candidates {
		if p.Namespace != r.candidates[0].Namespace || p.Spec.Scope != nil && len(p.Spec.Scope.Tenants) > 0 {
			return true
		}
	}
	return false
}

// inForce lists the policies that decide now. Those of the operator's namespace are left
// out, and said to be, where the caller may not read them.
func (r *replay) inForce(ctx context.Context, s *session) ([]v1alpha1.ApprovalPolicy, error) {
	var all v1alpha1.ApprovalPolicyList
	if r.wide() {
		err := plainly(s.List(ctx, &all))
		return all.Items, err
	}
	namespace := r.candidates[0].Namespace
	if err := s.List(ctx, &all, client.InNamespace(namespace)); err != nil || namespace == r.operator {
		return all.Items, plainly(err)
	}
	var operators v1alpha1.ApprovalPolicyList
	if err := s.List(ctx, &operators, client.InNamespace(r.operator)); err != nil {
		fmt.Fprintf(r.cli.ErrOut, "warning: policies of namespace %s are left out: %v\n", r.operator, plainly(err))
	}
	return append(all.Items, operators.Items...), nil
}

func (r *replay) print(result replayed) {
	for _, left := range result.Skipped {
		fmt.Fprintf(r.cli.ErrOut, "warning: %s/%s is left out: %s\n", left.Namespace, story.Plain(left.Action), left.Why)
	}
	if len(result.Differences) == 0 {
		fmt.Fprintf(r.cli.Out, "%s since %s, and none would be decided otherwise\n", count(result.Actions, "action"), result.Since.Format(time.RFC3339))
		return
	}
	stricter := 0
	for _, d := range result.Differences {
		if d.Stricter() > 0 {
			stricter++
		}
	}
	fmt.Fprint(r.cli.Out, r.cli.style().Replay(result.Differences, r.wide()))
	fmt.Fprintf(r.cli.Out, "\n%d of %s since %s would be decided otherwise: %d more strictly, %d less strictly\n",
		len(result.Differences), count(result.Actions, "action"), result.Since.Format(time.RFC3339), stricter, len(result.Differences)-stricter)
}
