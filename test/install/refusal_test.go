package install_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/test/env"
)

var digest = strings.Repeat("0123456789abcdef", 4)

func newNamespace(t *testing.T, c *env.Cluster) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "tenant-"}}
	if err := c.Client.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	return ns.Name
}

func emergency(ns, approver string) *v1alpha1.Approval {
	a := approval(ns, approver, v1alpha1.TierBreakGlass)
	a.Spec.Reason = "the shop is being encrypted, nobody else answers"
	return a
}

func approval(ns, approver string, tier v1alpha1.Tier) *v1alpha1.Approval {
	return &v1alpha1.Approval{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, GenerateName: "isolate-"},
		Spec: v1alpha1.ApprovalSpec{
			Action: "isolate", PlanDigest: digest, Decision: v1alpha1.Approve, Tier: tier, Approver: approver, Reason: "seen",
		},
	}
}

func denial(ns, approver string) *v1alpha1.Approval {
	a := approval(ns, approver, v1alpha1.TierAnalyst)
	a.Spec.Decision = v1alpha1.Deny
	return a
}

func action(ns, requestedBy string) *v1alpha1.ResponseAction {
	return &v1alpha1.ResponseAction{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, GenerateName: "isolate-", Labels: map[string]string{v1alpha1.LabelInvestigation: "shop"}},
		Spec: v1alpha1.ResponseActionSpec{
			Use: &v1alpha1.ActionUse{Connector: "cluster", Operation: "isolate-pod"}, Reason: "seen", RequestedBy: requestedBy,
		},
	}
}

func alert(ns string) *v1alpha1.Alert {
	return &v1alpha1.Alert{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, GenerateName: "alert-", Labels: map[string]string{v1alpha1.LabelInvestigation: "shop"}},
		Spec: v1alpha1.AlertSpec{
			Source: "falco", Rule: "r", Title: "t", Severity: v1alpha1.SeverityHigh, Fingerprint: digest, FirstSeen: metav1.NowMicro(),
		},
	}
}

// refused returns an error unless the API server refuses with our own words.
func refused(err error, policy, words string) error {
	if err == nil {
		return errors.New("it was let through")
	}
	want := "ValidatingAdmissionPolicy '" + policy + "' with binding '" + policy + "' denied request: " + words
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), want) {
		return errors.New("(-want +got):\n" + cmp.Diff(want, err.Error()))
	}
	return nil
}

func TestCreation(t *testing.T) {
	c := cluster(t)
	ns := newNamespace(t, c)
	workload := "system:serviceaccount:" + ns + ":on-call"
	people := map[string]client.Client{
		"alice":       person(t, c, "alice", "tocsin-responder"),
		"sam":         person(t, c, "sam", "tocsin-senior"),
		"gwen":        person(t, c, "gwen", "tocsin-responder", "tocsin-break-glass"),
		"root":        person(t, c, "root", "cluster-admin"),
		"playbook:me": person(t, c, "playbook:me", "tocsin-responder"),
		// The operator has more rights here than it is ever given.
		operator: person(t, c, operator, "cluster-admin"),
		workload: person(t, c, workload, "tocsin-senior"),
	}
	tests := map[string]struct {
		as     string
		object client.Object
		policy string
		words  string
	}{
		"a responder approves at tier analyst": {as: "alice", object: approval(ns, "alice", "analyst")},
		"a senior approves at tier senior":     {as: "sam", object: approval(ns, "sam", "senior")},
		"a senior approves at tier analyst":    {as: "sam", object: approval(ns, "sam", "analyst")},
		"a responder approves at tier senior": {
			as: "alice", object: approval(ns, "alice", "senior"), policy: "tocsin-approvals",
			words: "'alice' may not decide at tier senior in namespace " + ns + ": that needs the verb approve on approvaltiers/senior, " +
				"which ClusterRole tocsin-senior grants; ask somebody who holds it, or for a RoleBinding to it",
		},
		"a senior breaks the glass": {
			as: "sam", object: emergency(ns, "sam"), policy: "tocsin-approvals",
			words: "'sam' may not decide at tier break-glass in namespace " + ns + ": that needs the verb approve on approvaltiers/break-glass, " +
				"which ClusterRole tocsin-break-glass grants",
		},
		"who may break the glass does": {as: "gwen", object: emergency(ns, "gwen")},
		"a responder approves as a senior": {
			as: "alice", object: approval(ns, "sam", "analyst"), policy: "tocsin-approvals",
			words: "spec.approver is 'sam' but you are 'alice': nobody approves in somebody else's name, so write your own",
		},
		"a cluster-admin approves as a senior": {
			as: "root", object: approval(ns, "sam", "senior"), policy: "tocsin-approvals",
			words: "spec.approver is 'sam' but you are 'root'",
		},
		"the operator approves": {
			as: operator, object: approval(ns, operator, "senior"), policy: "tocsin-approvals",
			words: "the operator never approves its own actions",
		},
		"a ServiceAccount approves": {
			as: workload, object: approval(ns, workload, "senior"), policy: "tocsin-approvals",
			words: "'" + workload + "' is a ServiceAccount, and none may decide",
		},
		"a ServiceAccount denies": {
			as: workload, object: denial(ns, workload), policy: "tocsin-approvals",
			words: "'" + workload + "' is a ServiceAccount, and none may decide",
		},
		"a ServiceAccount asks for an action": {as: workload, object: action(ns, workload)},
		"a responder asks for an action":      {as: "alice", object: action(ns, "alice")},
		"a responder asks as another": {
			as: "alice", object: action(ns, "sam"), policy: "tocsin-requesters",
			words: "spec.requestedBy is 'sam' but you are 'alice': nobody asks in somebody else's name, so write your own",
		},
		"a responder asks as a playbook": {
			as: "alice", object: action(ns, "playbook:shell"), policy: "tocsin-requesters",
			words: "spec.requestedBy is 'playbook:shell' but you are 'alice'",
		},
		"somebody is named like a playbook": {
			as: "playbook:me", object: action(ns, "playbook:me"), policy: "tocsin-requesters",
			words: "spec.requestedBy is 'playbook:me' but you are 'playbook:me'",
		},
		"the operator asks as a playbook": {as: operator, object: action(ns, "playbook:shell")},
		"the operator asks for an undo":   {as: operator, object: action(ns, "undo:isolate-x2k")},
		"the operator asks for evidence":  {as: operator, object: action(ns, "evidence:delete-x2k for alice")},
		"a responder asks for evidence as the operator does": {
			as: "alice", object: action(ns, "evidence:delete-x2k for bob"), policy: "tocsin-requesters",
			words: "spec.requestedBy is 'evidence:delete-x2k for bob' but you are 'alice'",
		},
		"the operator asks as the analyst": {as: operator, object: action(ns, "analyst")},
		"the operator asks as a person": {
			as: operator, object: action(ns, "alice"), policy: "tocsin-requesters",
			words: "spec.requestedBy is 'alice': the operator asks as playbook:<name>, undo:<name>, evidence:<name> or analyst only",
		},
		"the operator asks as nobody in particular": {
			as: operator, object: action(ns, "playbook:"), policy: "tocsin-requesters",
			words: "spec.requestedBy is 'playbook:': the operator asks as",
		},
		"the operator reports an alert": {as: operator, object: alert(ns)},
		"a cluster-admin reports an alert": {
			as: "root", object: alert(ns), policy: "tocsin-alerts",
			words: "'root' may not create alerts: only the operator does, from events that a sender posted to an AlertSource; post the event there",
		},
		"a cluster-admin opens a case": {
			as: "root", object: &v1alpha1.Investigation{ObjectMeta: metav1.ObjectMeta{Namespace: ns, GenerateName: "case-"}}, policy: "tocsin-alerts",
			words: "'root' may not create investigations",
		},
		"the operator grades a case as a person": {
			as: operator, policy: "tocsin-investigations",
			object: &v1alpha1.Investigation{
				ObjectMeta: metav1.ObjectMeta{Namespace: ns, GenerateName: "case-"},
				Spec:       v1alpha1.InvestigationSpec{Grade: &v1alpha1.Grade{Verdict: v1alpha1.BenignPositive, By: "alice", Reason: "r"}},
			},
			words: "spec.grade.by is 'alice' but you are '" + operator + "'",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			err := people[tc.as].Create(t.Context(), tc.object)
			if tc.policy != "" {
				err = refused(err, tc.policy, tc.words)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTierIsOfTheApprovalsNamespace(t *testing.T) {
	c := cluster(t)
	own, other := newNamespace(t, c), newNamespace(t, c)
	alice := person(t, c, "alice", "tocsin-responder")
	grantInNamespace(t, c, own, "tocsin-senior", "alice")
	waitUntilAllowed(t, c, "alice", authorizationv1.ResourceAttributes{
		Namespace: own, Verb: "approve", Group: v1alpha1.Group, Resource: "approvaltiers", Name: "senior",
	})
	if err := alice.Create(t.Context(), approval(own, "alice", "senior")); err != nil {
		t.Errorf("where alice is a senior: %v", err)
	}
	err := refused(alice.Create(t.Context(), approval(other, "alice", "senior")), "tocsin-approvals", "'alice' may not decide at tier senior in namespace "+other)
	if err != nil {
		t.Errorf("where alice is none: %v", err)
	}
}

func TestNobodyCreatesAStatus(t *testing.T) {
	c := cluster(t)
	ns := newNamespace(t, c)
	asked := action(ns, "alice")
	asked.Status.Decision = &v1alpha1.Decision{Outcome: v1alpha1.DecisionAllow}
	if err := person(t, c, "alice", "tocsin-responder").Create(t.Context(), asked); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(v1alpha1.ResponseActionStatus{}, asked.Status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

// A case as the operator opened it, with what alice said of it.
func TestChangesOfACase(t *testing.T) {
	c := cluster(t)
	ns := newNamespace(t, c)
	asOperator := person(t, c, operator, "cluster-admin")
	alice, bob := person(t, c, "alice", "tocsin-responder"), person(t, c, "bob", "tocsin-responder")
	grade := func(by string) *v1alpha1.Grade {
		return &v1alpha1.Grade{Verdict: v1alpha1.BenignPositive, By: by, Reason: "a drill"}
	}
	first := v1alpha1.Note{By: "alice", Text: "looking"}
	tests := map[string]struct {
		as     client.Client
		change func(*v1alpha1.InvestigationSpec)
		words  string
	}{
		"bob closes the case":         {as: bob, change: func(s *v1alpha1.InvestigationSpec) { s.State = v1alpha1.StateClosed }},
		"bob grades in his own name":  {as: bob, change: func(s *v1alpha1.InvestigationSpec) { s.Grade = grade("bob") }},
		"alice takes her grade back":  {as: alice, change: func(s *v1alpha1.InvestigationSpec) { s.Grade = nil }},
		"bob adds a note of his own":  {as: bob, change: func(s *v1alpha1.InvestigationSpec) { s.Notes = append(s.Notes, v1alpha1.Note{By: "bob", Text: "same"}) }},
		"bob fills the list with his": {as: bob, change: func(s *v1alpha1.InvestigationSpec) { s.Notes = append(s.Notes, long("bob", 63)...) }},
		"bob takes alice's grade away": {
			as: bob, change: func(s *v1alpha1.InvestigationSpec) { s.Grade = nil },
			words: "spec.grade was given by 'alice' and may not be removed by 'bob': replace it with a grade of your own",
		},
		"bob changes alice's grade": {
			as: bob, change: func(s *v1alpha1.InvestigationSpec) { s.Grade.Verdict = v1alpha1.TruePositive },
			words: "spec.grade.by is 'alice' but you are 'bob': nobody grades in somebody else's name, so write your own",
		},
		"bob grades as carol": {
			as: bob, change: func(s *v1alpha1.InvestigationSpec) { s.Grade = grade("carol") },
			words: "spec.grade.by is 'carol' but you are 'bob'",
		},
		"bob writes a note as alice": {
			as: bob, change: func(s *v1alpha1.InvestigationSpec) {
				s.Notes = append(s.Notes, v1alpha1.Note{By: "alice", Text: "harmless"})
			},
			words: "a note that you add to spec.notes is by 'bob'",
		},
		"bob hides one as alice's behind his": {
			as: bob, change: func(s *v1alpha1.InvestigationSpec) { s.Notes = append(s.Notes, append(long("bob", 62), first)...) },
			words: "a note that you add to spec.notes is by 'bob'",
		},
		"bob rewrites alice's note": {
			as: bob, change: func(s *v1alpha1.InvestigationSpec) { s.Notes[0].Text = "harmless" },
			words: "spec.notes are only ever added to",
		},
		"bob puts his note before alice's": {
			as: bob, change: func(s *v1alpha1.InvestigationSpec) { s.Notes = []v1alpha1.Note{{By: "bob", Text: "first!"}, first} },
			words: "spec.notes are only ever added to",
		},
		"alice removes her note": {
			as: alice, change: func(s *v1alpha1.InvestigationSpec) { s.Notes = nil },
			words: "spec.notes are only ever added to",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			opened := &v1alpha1.Investigation{ObjectMeta: metav1.ObjectMeta{Namespace: ns, GenerateName: "case-"}}
			if err := asOperator.Create(t.Context(), opened); err != nil {
				t.Fatal(err)
			}
			opened.Spec.Grade, opened.Spec.Notes = grade("alice"), []v1alpha1.Note{first}
			if err := alice.Update(t.Context(), opened); err != nil {
				t.Fatal(err)
			}
			tc.change(&opened.Spec)
			err := tc.as.Update(t.Context(), opened)
			if tc.words != "" {
				err = refused(err, "tocsin-investigations", tc.words)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// The garbage collector deletes what has an owner that is not there.
func TestNothingOfACaseHasAnOwner(t *testing.T) {
	c := cluster(t)
	ns := newNamespace(t, c)
	alice := person(t, c, "alice", "tocsin-responder")
	opened := &v1alpha1.Investigation{ObjectMeta: metav1.ObjectMeta{Namespace: ns, GenerateName: "case-"}}
	if err := person(t, c, operator, "cluster-admin").Create(t.Context(), opened); err != nil {
		t.Fatal(err)
	}
	gone := []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "gone", UID: "2d2f0a52-0000-0000-0000-000000000000"}}
	words := "metadata.ownerReferences must be empty"
	owned := opened.DeepCopy()
	owned.OwnerReferences = gone
	if err := refused(alice.Update(t.Context(), owned), "tocsin-investigations", words); err != nil {
		t.Errorf("a case: %v", err)
	}
	asked := action(ns, "alice")
	asked.OwnerReferences = gone
	if err := refused(alice.Create(t.Context(), asked), "tocsin-requesters", words); err != nil {
		t.Errorf("an action: %v", err)
	}
	said := approval(ns, "alice", "analyst")
	said.OwnerReferences = gone
	if err := refused(alice.Create(t.Context(), said), "tocsin-approvals", words); err != nil {
		t.Errorf("an approval: %v", err)
	}
}

// long returns notes as long as they may be.
func long(by string, count int) []v1alpha1.Note {
	notes := make([]v1alpha1.Note, count)
	for i := range notes {
		notes[i] = v1alpha1.Note{By: by, Text: strings.Repeat("x", 4096)}
	}
	return notes
}

func TestOnlyTheOperatorMovesBetweenCases(t *testing.T) {
	c := cluster(t)
	ns := newNamespace(t, c)
	root, asOperator := person(t, c, "root", "cluster-admin"), person(t, c, operator, "cluster-admin")
	patches := map[string]string{
		"moved":   `{"metadata":{"labels":{"soc.tocsin.dev/investigation":"other"}}}`,
		"removed": `{"metadata":{"labels":{"soc.tocsin.dev/investigation":null}}}`,
	}
	tests := map[string]struct {
		object client.Object
		policy string
	}{
		"alert":  {object: alert(ns), policy: "tocsin-alerts"},
		"action": {object: action(ns, "analyst"), policy: "tocsin-requesters"},
	}
	for name, tc := range tests {
		if err := asOperator.Create(t.Context(), tc.object); err != nil {
			t.Fatal(err)
		}
		for how, patch := range patches {
			t.Run(name+" "+how, func(t *testing.T) {
				raw := client.RawPatch("application/merge-patch+json", []byte(patch))
				err := root.Patch(t.Context(), tc.object.DeepCopyObject().(client.Object), raw)
				if err := refused(err, tc.policy, "the label soc.tocsin.dev/investigation is the operator's"); err != nil {
					t.Error(err)
				}
				if err := asOperator.Patch(t.Context(), tc.object.DeepCopyObject().(client.Object), raw, client.DryRunAll); err != nil {
					t.Errorf("the operator: %v", err)
				}
			})
		}
		if name == "alert" {
			joins := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"annotations":{"soc.tocsin.dev/joins":"other"}}}`))
			err := root.Patch(t.Context(), tc.object.DeepCopyObject().(client.Object), joins)
			if err := refused(err, tc.policy, "the annotation soc.tocsin.dev/joins is the operator's"); err != nil {
				t.Error(err)
			}
			if err := asOperator.Patch(t.Context(), tc.object.DeepCopyObject().(client.Object), joins, client.DryRunAll); err != nil {
				t.Errorf("the operator: %v", err)
			}
		}
		other := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"team":"red"}}}`))
		if err := root.Patch(t.Context(), tc.object, other); err != nil {
			t.Errorf("another label of %s: %v", name, err)
		}
	}
}
