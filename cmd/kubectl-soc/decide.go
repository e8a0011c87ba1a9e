package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/response"
	"github.com/tocsin-dev/tocsin/internal/story"
)

// decision is what approve and deny share.
type decision struct {
	consent
	says v1alpha1.ApprovalDecision
	tier string
	wait bool
}

func (d *decision) addFlags(cmd *cobra.Command, standard string) {
	d.consent.addFlags(cmd)
	cmd.Flags().StringVar(&d.tier, "tier", "", "tier at which you decide: analyst, senior, or in an emergency break-glass (default: "+standard+")")
	cmd.Flags().BoolVar(&d.wait, "wait", true, "wait a few seconds to see whether it counts, and what comes of it")
	// The flag exists, so this cannot fail.
	_ = cmd.RegisterFlagCompletionFunc("tier", cobra.FixedCompletions(
		[]string{string(v1alpha1.TierAnalyst), string(v1alpha1.TierSenior), string(v1alpha1.TierBreakGlass)}, cobra.ShellCompDirectiveNoFileComp))
}

func newApprove(c *cli) *cobra.Command {
	d := &decision{says: v1alpha1.Approve}
	cmd := &cobra.Command{
		Use:   "approve NAME",
		Short: "Look at what an action will change, and let it run",
		Long: "Look at what an action will change, and let it run.\n\n" +
			"The Approval binds to the plan that is shown: if the target changes before it runs, the plan is made again and waits again.",
		Example:           "  kubectl soc approve -n soc isolate-web-0-x2k\n  kubectl soc approve -n soc isolate-web-0-x2k --yes --reason 'the pod is compromised'",
		Args:              oneName("action"),
		ValidArgsFunction: c.completeActions(story.Waits),
		RunE:              func(cmd *cobra.Command, args []string) error { return c.decide(cmd.Context(), d, args[0]) },
	}
	d.addFlags(cmd, "the one that the action needs")
	return cmd
}

func newDeny(c *cli) *cobra.Command {
	d := &decision{says: v1alpha1.Deny}
	cmd := &cobra.Command{
		Use:   "deny NAME",
		Short: "Refuse an action for good",
		Long: "Refuse an action for good.\n\n" +
			"A denial wins over any number of approvals, at whatever tier. To have it done after all, ask for a new action.",
		Args:              oneName("action"),
		ValidArgsFunction: c.completeActions(deniable),
		RunE:              func(cmd *cobra.Command, args []string) error { return c.decide(cmd.Context(), d, args[0]) },
	}
	d.addFlags(cmd, "analyst, which is enough to deny")
	return cmd
}

// decide shows an action, asks, and says on an Approval what the caller said.
func (c *cli) decide(ctx context.Context, d *decision, name string) error {
	if err := errors.Join(d.check(c), d.checkTier()); err != nil {
		return err
	}
	s, err := c.connect()
	if err != nil {
		return err
	}
	action, err := s.action(ctx, name)
	if err != nil {
		return err
	}
	me, err := s.whoAmI(ctx)
	if err != nil {
		return err
	}
	if err := d.possible(action, me); err != nil {
		return err
	}
	found, err := s.caseOf(ctx, action)
	if err != nil {
		return err
	}
	fmt.Fprint(c.Out, c.style().Plan(action, found))
	approval := d.approval(action, me)
	question := fmt.Sprintf("%s as %s at tier %s?", d.says, story.Plain(me), approval.Spec.Tier)
	if approval.Spec.Reason, err = d.ask(c, question); err != nil {
		return err
	}
	if err := s.Create(ctx, approval); err != nil {
		return fmt.Errorf("the API server refused the Approval: %w", plainly(err))
	}
	fmt.Fprintf(c.Out, "\napproval/%s created: %s says %s at tier %s\n", approval.Name, story.Plain(me), d.says, approval.Spec.Tier)
	if !d.wait {
		return nil
	}
	return c.outcome(ctx, s, approval)
}

func (d *decision) checkTier() error {
	if tier := v1alpha1.Tier(d.tier); tier != "" && tier != v1alpha1.TierBreakGlass && tier.Rank() == 0 {
		return fmt.Errorf("--tier: must be analyst, senior or break-glass, not %q", d.tier)
	}
	return nil
}

// possible says why a decision would have no effect.
func (d *decision) possible(a *v1alpha1.ResponseAction, me string) error {
	switch {
	case d.says == v1alpha1.Deny && !deniable(a):
		return fmt.Errorf("%s cannot be denied any more. %s", a.Name, story.Standing(a))
	case d.says == v1alpha1.Deny:
		return nil
	case !story.Waits(a):
		return fmt.Errorf("%s does not wait for approval. %s", a.Name, story.Standing(a))
	case d.tier == string(v1alpha1.TierBreakGlass) && a.Status.Decision.BreakGlass != v1alpha1.BreakGlassAllowed:
		return fmt.Errorf("the policies do not allow tier break-glass for %s (spec.breakGlass of every ApprovalPolicy that speaks of it): tier %s must approve", a.Name, a.Status.Decision.Tier)
	case a.Spec.RequestedBy == me:
		return fmt.Errorf("you (%s) asked for %s, and nobody approves what they asked for: somebody else with tier %s must", me, a.Name, a.Status.Decision.Tier)
	}
	return nil
}

// deniable: there is a plan, and nothing of it was begun.
func deniable(a *v1alpha1.ResponseAction) bool {
	return a.Status.Plan != nil && a.Status.Execution == nil && !response.Settled(a)
}

// approval without its reason, which is asked for last.
func (d *decision) approval(a *v1alpha1.ResponseAction, me string) *v1alpha1.Approval {
	tier := v1alpha1.TierAnalyst
	if d.says == v1alpha1.Approve {
		tier = a.Status.Decision.Tier
	}
	return &v1alpha1.Approval{
		ObjectMeta: metav1.ObjectMeta{Namespace: a.Namespace, GenerateName: a.Name + "-"},
		Spec: v1alpha1.ApprovalSpec{
			Action: a.Name, PlanDigest: a.Status.Plan.Digest, Decision: d.says, Approver: me,
			Tier: cmp.Or(v1alpha1.Tier(d.tier), tier),
		},
	}
}
