package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/hack/lab"
)

// The operations that the attack must end in.
const (
	opLabel         = "label"
	opIsolate       = "isolate-pod"
	opRemoveBinding = "remove-role-binding"
)

const (
	// attackersBinding is the ClusterRoleBinding that the attacker makes.
	attackersBinding = "ops-sync"
	// labelSuspect is what the victim is labelled with at once.
	labelSuspect = "soc.tocsin.dev/suspect"
)

// investigated waits until the attack is one case, and shows it.
func (p *play) investigated(ctx context.Context) error {
	wanted := []string{"secrets-listed-cluster-wide", "pod-with-node-access", "cluster-admin-bound", "Terminal shell in container"}
	err := lab.Eventually(ctx, 2*time.Minute, "one TruePositive Investigation that holds all of the attack", func(ctx context.Context) (bool, string, error) {
		return p.findAttack(ctx, wanted)
	})
	if err != nil {
		return err
	}
	err = p.commands(ctx, "alice", [][]string{
		{"kubectl", "-n", "soc", "get", "alerts"},
		{"kubectl", "-n", "soc", "get", "investigations"},
		{"kubectl", "soc", "-n", "soc", "case", p.attack.Name},
	})
	if err != nil {
		return err
	}
	return p.countShells(ctx)
}

// findAttack looks for the case of the stolen ServiceAccount.
func (p *play) findAttack(ctx context.Context, wanted []string) (bool, string, error) {
	var alerts v1alpha1.AlertList
	var cases v1alpha1.InvestigationList
	if err := p.list(ctx, &alerts, &cases); err != nil {
		return false, "", err
	}
	rules := map[string][]string{}
	for _, a := range alerts.Items {
		name := a.Labels[v1alpha1.LabelInvestigation]
		rules[name] = append(rules[name], a.Spec.Rule)
	}
	for i := range cases.Items {
		c := &cases.Items[i]
		missing := slices.DeleteFunc(slices.Clone(wanted), func(rule string) bool { return slices.Contains(rules[c.Name], rule) })
		complete := len(missing) == 0 && int(c.Status.AlertCount) == len(rules[c.Name]) && c.Status.Verdict == v1alpha1.TruePositive
		if complete && len(c.Status.Actions) >= 3 {
			p.attack = c
			return true, "", nil
		}
	}
	return false, fmt.Sprintf("%d cases; rules by case: %v", len(cases.Items), rules), nil
}

// countShells: 300 reports are one alert with a count of 300, and of those that were
// sent again since nobody answered.
func (p *play) countShells(ctx context.Context) error {
	most := shells + p.unanswered.Load()
	err := lab.Eventually(ctx, 2*time.Minute, fmt.Sprintf("one alert that counts %d to %d shells", shells, most), func(ctx context.Context) (bool, string, error) {
		var alerts v1alpha1.AlertList
		if err := p.list(ctx, &alerts); err != nil {
			return false, "", err
		}
		var counts []int64
		for _, a := range alerts.Items {
			if a.Spec.Rule == "Terminal shell in container" {
				counts = append(counts, a.Status.Count)
			}
		}
		return len(counts) == 1 && counts[0] >= shells && counts[0] <= most, fmt.Sprintf("counts %v", counts), nil
	})
	if err == nil {
		p.say("the %d reports of the shell are one alert that counts them", shells)
	}
	return err
}

// contained approves what waits, each by who may.
func (p *play) contained(ctx context.Context) error {
	p.contain = map[string]*v1alpha1.ResponseAction{}
	victim := v1alpha1.TargetReference{Kind: "Pod", Namespace: "shop", Name: p.victim}
	for _, expected := range []struct {
		operation string
		on        v1alpha1.TargetReference
		reason    string
	}{
		{opLabel, victim, v1alpha1.ReasonSucceeded},
		{opIsolate, victim, v1alpha1.ReasonWaitingForApproval},
		{opRemoveBinding, v1alpha1.TargetReference{Kind: "ClusterRoleBinding", Name: attackersBinding}, v1alpha1.ReasonWaitingForApproval},
	} {
		if err := p.awaitAction(ctx, expected.operation, expected.on, expected.reason); err != nil {
			return err
		}
	}
	if _, err := p.run(ctx, "alice", "kubectl", "soc", "-n", "soc", "pending"); err != nil {
		return err
	}
	isolate, remove := p.contain[opIsolate].Name, p.contain[opRemoveBinding].Name
	p.say("alice is the responder: the isolation is hers to approve")
	if _, err := p.run(ctx, "alice", "kubectl", "soc", "-n", "soc", "approve", isolate, "--yes", "--reason", "the shop's pod is compromised"); err != nil {
		return err
	}
	p.say("the removal of the binding is not: the API server says so")
	err := p.refused(ctx, "alice", "may not decide at tier senior", "kubectl", "soc", "-n", "soc", "approve", remove, "--tier", "senior", "--yes", "--reason", "let me")
	if err != nil {
		return err
	}
	if _, err := p.run(ctx, "bob", "kubectl", "soc", "-n", "soc", "approve", remove, "--yes", "--reason", "nobody bound this on purpose"); err != nil {
		return err
	}
	err = p.commands(ctx, "alice", [][]string{
		{"kubectl", "-n", "soc", "wait", "--for=condition=Ready", "--timeout=60s", "responseaction/" + isolate, "responseaction/" + remove},
		{"kubectl", "-n", "soc", "get", "responseactions,approvals"},
	})
	if err != nil {
		return err
	}
	return p.seen(ctx)
}

// awaitAction waits until the case's operation on a target is where it should be;
// the attacker's own pod is to be isolated as well.
func (p *play) awaitAction(ctx context.Context, operation string, on v1alpha1.TargetReference, reason string) error {
	what := fmt.Sprintf("%s of %s %s to be %s", operation, on.Kind, on.Name, reason)
	return lab.Eventually(ctx, time.Minute, what, func(ctx context.Context) (bool, string, error) {
		var actions v1alpha1.ResponseActionList
		if err := p.list(ctx, &actions); err != nil {
			return false, "", err
		}
		var seen []string
		for i := range actions.Items {
			a := &actions.Items[i]
			if a.Spec.Investigation != p.attack.Name || a.Spec.Use == nil || a.Spec.Use.Operation != operation {
				continue
			}
			ready := meta.FindStatusCondition(a.Status.Conditions, v1alpha1.ConditionReady)
			if a.Status.Plan == nil || ready == nil {
				seen = append(seen, a.Name+" unplanned")
				continue
			}
			target := a.Status.Plan.Target
			same := target.Kind == on.Kind && target.Namespace == on.Namespace && target.Name == on.Name
			if same && ready.Reason == reason {
				p.contain[operation] = a
				return true, "", nil
			}
			seen = append(seen, fmt.Sprintf("%s on %s %s: %s: %s", a.Name, target.Kind, target.Name, ready.Reason, ready.Message))
		}
		return false, fmt.Sprint(seen), nil
	})
}

// twinClosed: the rollout raised an alert too, and it closed by itself.
func (p *play) twinClosed(ctx context.Context) error {
	deployer := v1alpha1.Entity{Type: v1alpha1.EntityServiceAccount, Value: "gitops/deployer", Role: v1alpha1.RoleActor}
	var twin string
	err := lab.Eventually(ctx, time.Minute, "the rollout's case to close as BenignPositive", func(ctx context.Context) (bool, string, error) {
		var alerts v1alpha1.AlertList
		var cases v1alpha1.InvestigationList
		if err := p.list(ctx, &alerts, &cases); err != nil {
			return false, "", err
		}
		for _, a := range alerts.Items {
			if slices.Contains(a.Spec.Entities, deployer) {
				twin = a.Labels[v1alpha1.LabelInvestigation]
			}
		}
		for _, c := range cases.Items {
			if c.Name != twin {
				continue
			}
			closed := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionClosed)
			itself := closed != nil && closed.Status == metav1.ConditionTrue && closed.Reason == v1alpha1.ReasonClosedByAnalyst
			return itself && c.Status.Verdict == v1alpha1.BenignPositive, fmt.Sprintf("%s: %s, closed: %v", c.Name, c.Status.Verdict, closed), nil
		}
		return false, fmt.Sprintf("%d alerts, none of whose cases is of gitops/deployer", len(alerts.Items)), nil
	})
	if err != nil {
		return err
	}
	return p.commands(ctx, "alice", [][]string{{"kubectl", "soc", "-n", "soc", "explain", twin}})
}

// undone takes the isolation back: alice asks, so bob approves.
func (p *play) undone(ctx context.Context) error {
	isolate := p.contain[opIsolate].Name
	if _, err := p.run(ctx, "alice", "kubectl", "soc", "-n", "soc", "undo", isolate, "--yes", "--reason", "the pod was rebuilt"); err != nil {
		return err
	}
	var undo v1alpha1.ResponseAction
	err := lab.Eventually(ctx, time.Minute, "the undo to wait for approval", func(ctx context.Context) (bool, string, error) {
		var actions v1alpha1.ResponseActionList
		if err := p.list(ctx, &actions); err != nil {
			return false, "", err
		}
		for _, a := range actions.Items {
			ready := meta.FindStatusCondition(a.Status.Conditions, v1alpha1.ConditionReady)
			if a.Spec.Undo == isolate && ready != nil {
				undo = a
				return ready.Reason == v1alpha1.ReasonWaitingForApproval, ready.Reason + ": " + ready.Message, nil
			}
		}
		return false, "no undo yet", nil
	})
	if err != nil {
		return err
	}
	err = p.commands(ctx, "bob", [][]string{
		{"kubectl", "soc", "-n", "soc", "approve", undo.Name, "--yes", "--reason", "rebuilt, as alice says"},
		{"kubectl", "-n", "soc", "wait", "--for=condition=Undone", "--timeout=60s", "responseaction/" + isolate},
	})
	if err != nil {
		return err
	}
	err = p.admin.Get(ctx, types.NamespacedName{Namespace: "shop", Name: p.isolated}, &networkingv1.NetworkPolicy{})
	if !apierrors.IsNotFound(err) {
		return fmt.Errorf("NetworkPolicy shop/%s must be gone: %w", p.isolated, err)
	}
	p.say("seen in the cluster: NetworkPolicy shop/%s is gone again", p.isolated)
	return nil
}

// proven verifies a copy of the log, then a copy in which one byte was changed.
func (p *play) proven(ctx context.Context) error {
	if deaths := p.operator.died(); deaths < p.kills {
		return fmt.Errorf("KILLS=%d: the operator was killed %d times only", p.kills, deaths)
	}
	original, changed := p.File("audit-copy"), p.File("audit-changed")
	for _, copied := range []string{original, changed} {
		if err := os.CopyFS(filepath.Join(copied, "log"), os.DirFS(p.File("data/audit/log"))); err != nil {
			return err
		}
	}
	key := p.File("data/audit/audit.pub")
	if _, err := p.run(ctx, "alice", "kubectl", "soc", "audit", "verify", original, "--key", key); err != nil {
		return err
	}
	if err := p.once(ctx, original); err != nil {
		return err
	}
	p.say("the same log with one byte of an entry changed")
	if err := flipByte(changed); err != nil {
		return err
	}
	return p.refused(ctx, "alice", "does not fit", "kubectl", "soc", "audit", "verify", changed, "--key", key)
}

func (p *play) list(ctx context.Context, lists ...client.ObjectList) error {
	for _, list := range lists {
		if err := p.admin.List(ctx, list, client.InNamespace("soc")); err != nil {
			return err
		}
	}
	return nil
}
