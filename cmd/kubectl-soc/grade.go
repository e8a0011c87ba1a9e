package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/story"
)

// gradeAttempts bounds how often a case may change for reasons that do not matter
// between the look at it and the write.
const gradeAttempts = 5

// grading is a human's verdict on its way to a case.
type grading struct {
	consent
	verdict string
	out     output
}

func newGrade(c *cli) *cobra.Command {
	g := &grading{}
	cmd := &cobra.Command{
		Use:   "grade CASE",
		Short: "Say what a case really was",
		Long: "Say what a case really was.\n\n" +
			"The grade becomes the verdict, and history of the rules in the case: of later cases of these rules in this namespace, it moves the prior. " +
			"Playbooks propose their actions for it, which you then do not approve yourself. A grade of somebody else's is replaced.",
		Example:           "  kubectl soc grade -n soc shop-7f3a --verdict BenignPositive\n  kubectl soc grade -n soc shop-7f3a --verdict TruePositive --yes --reason 'the token was in a public build log'",
		Args:              oneName("case"),
		ValidArgsFunction: c.completeCases,
		RunE:              func(cmd *cobra.Command, args []string) error { return c.grade(cmd.Context(), g, args[0]) },
	}
	g.addFlags(cmd)
	g.out.addFlag(cmd)
	cmd.Flags().StringVar(&g.verdict, "verdict", "", "what it was: "+anyVerdict()+"; what happened and was expected is a BenignPositive")
	// The flag exists, so this cannot fail.
	_ = cmd.RegisterFlagCompletionFunc("verdict", cobra.FixedCompletions(verdicts(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func verdicts() []string {
	var names []string
	for _, v := range v1alpha1.Verdicts {
		names = append(names, string(v))
	}
	return names
}

// anyVerdict lists the verdicts for people.
func anyVerdict() string {
	names := verdicts()
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// grade shows what the analyst concluded, asks, and writes what the caller says.
func (c *cli) grade(ctx context.Context, g *grading, name string) error {
	if err := errors.Join(g.checkVerdict(), g.out.check(), g.check(c)); err != nil {
		return err
	}
	s, err := c.connect()
	if err != nil {
		return err
	}
	found, err := s.investigation(ctx, name)
	if err != nil {
		return err
	}
	if older := found.Status.MergedInto; older != "" {
		return fmt.Errorf("%s was merged into %s, which holds its alerts: grade that one, with kubectl soc grade -n %s %s", name, older, s.namespace, older)
	}
	if found.Status.Verdict == "" {
		return fmt.Errorf("%s has no verdict yet, so there is nothing to agree with: it is being investigated. See: kubectl soc case -n %s %s", name, s.namespace, name)
	}
	me, err := s.whoAmI(ctx)
	if err != nil {
		return err
	}
	people := *c
	if g.out != "" {
		people.Out = c.ErrOut // what is printed for programs stays alone
	}
	fmt.Fprint(people.Out, c.style().Conclusion(found))
	analyst := story.AnalystVerdict(found)
	grade := v1alpha1.Grade{Verdict: v1alpha1.Verdict(g.verdict), By: me}
	if grade.Reason, err = g.ask(&people, fmt.Sprintf("Grade %s %s, as %s?", name, grade.Verdict, story.Plain(me))); err != nil {
		return err
	}
	if err := s.grade(ctx, found, grade); err != nil {
		return err
	}
	fmt.Fprintf(people.Out, "\ninvestigation/%s graded: %s says %s, the analyst said %s\n", name, story.Plain(me), grade.Verdict, analyst)
	_, err = g.out.print(c.Out, found)
	return err
}

func (g *grading) checkVerdict() error {
	switch {
	case g.verdict == "":
		return errors.New("--verdict is needed: " + anyVerdict())
	case !slices.Contains(verdicts(), g.verdict):
		return fmt.Errorf("--verdict: must be %s, not %q", anyVerdict(), g.verdict)
	}
	return nil
}

// grade writes the grade. The operator may write the status meanwhile; what the caller
// was shown must not have changed.
func (s *session) grade(ctx context.Context, c *v1alpha1.Investigation, grade v1alpha1.Grade) error {
	shown := c.DeepCopy()
	for range gradeAttempts {
		before := c.DeepCopy()
		c.Spec.Grade = &grade
		err := s.Patch(ctx, c, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
		if !apierrors.IsConflict(err) {
			if err != nil {
				return fmt.Errorf("the API server refused the grade: %w", plainly(err))
			}
			return nil
		}
		if err := s.Get(ctx, client.ObjectKeyFromObject(shown), c); err != nil {
			return plainly(err)
		}
		if !sameCase(shown, c) {
			break
		}
	}
	return fmt.Errorf("%s changed while you looked at it, so nothing was done: look again", shown.Name)
}

// sameCase: a human who looks at it sees the same.
func sameCase(a, b *v1alpha1.Investigation) bool {
	return equality.Semantic.DeepEqual(a.Spec.Grade, b.Spec.Grade) && a.Status.Verdict == b.Status.Verdict &&
		a.Status.AlertCount == b.Status.AlertCount && equality.Semantic.DeepEqual(a.Status.Evidence, b.Status.Evidence)
}
