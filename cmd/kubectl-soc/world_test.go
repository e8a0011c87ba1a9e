package main

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	manifests "github.com/tocsin-dev/tocsin/config/admission"
	"github.com/tocsin-dev/tocsin/internal/admission"
	"github.com/tocsin-dev/tocsin/test/env"
)

const operatorName = "system:serviceaccount:" + manifests.Namespace + ":tocsin"

// people and the roles that they hold.
var people = map[string]string{
	"alice": "tocsin-responder", "bob": "tocsin-senior", "vera": "tocsin-viewer",
	// More rights than it is ever given: RBAC is not what is tested with it.
	operatorName: "cluster-admin",
}

var (
	shared    env.Shared
	installed sync.Once
)

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// world is a tenant on an API server with Tocsin's roles and admission policies.
type world struct {
	*env.Cluster
	namespace string
	// operator writes what the operator would.
	operator client.WithWatch
	// patience of whoever runs a command.
	patience time.Duration
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Cluster: shared.Get(t), patience: patience}
	installed.Do(func() { install(t, w.Cluster) })
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "tenant-"}}
	must(t, w.Client.Create(t.Context(), ns))
	w.namespace = ns.Name
	operator, err := client.NewWithWatch(w.As(t, operatorName), client.Options{Scheme: w.Scheme})
	must(t, err)
	w.operator = operator
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// install applies roles and policies, and waits until both are in force.
func install(t *testing.T, c *env.Cluster) {
	t.Helper()
	must(t, c.Client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: manifests.Namespace}}))
	roles, err := os.ReadFile("../../config/rbac/people.yaml")
	must(t, err)
	applyAll(t, c.Client, roles)
	files, err := fs.Glob(manifests.Files, "*.yaml")
	must(t, err)
	for _, file := range files {
		raw, err := manifests.Files.ReadFile(file)
		must(t, err)
		applyAll(t, c.Client, raw)
	}
	for user, role := range people {
		must(t, c.Client.Create(t.Context(), &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
		}))
		eventually(t, "role of "+user, func(ctx context.Context) bool { return mayRead(ctx, c.Client, user) })
	}
	asOperator := c.ClientAs(t, operatorName)
	prover, err := admission.New(asOperator, asOperator, manifests.Namespace)
	must(t, err)
	eventually(t, "proof of admission", func(ctx context.Context) bool {
		_, err := prover.Since(ctx)
		return err == nil
	})
}

func applyAll(t *testing.T, c client.Client, raw []byte) {
	t.Helper()
	decoder := yaml.NewYAMLToJSONDecoder(bytes.NewReader(raw))
	for {
		object := &unstructured.Unstructured{}
		if decoder.Decode(&object.Object) != nil {
			return
		}
		must(t, c.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("test"), client.ForceOwnership))
	}
}

func mayRead(ctx context.Context, c client.Client, user string) bool {
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user, ResourceAttributes: &authorizationv1.ResourceAttributes{Group: v1alpha1.Group, Resource: "alerts", Verb: "list"},
	}}
	return c.Create(ctx, review) == nil && review.Status.Allowed
}

func eventually(t *testing.T, what string, holds func(context.Context) bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, 30*time.Second, true,
		func(ctx context.Context) (bool, error) { return holds(ctx), nil })
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// answer is what a command printed and returned.
type answer struct {
	out, errOut string
	err         error
}

// run runs a command as a user, without a terminal.
func (w *world) run(t *testing.T, user string, args ...string) answer {
	t.Helper()
	return w.typing(t, user, nil, args...)
}

// typing runs a command with somebody at the terminal, who types the lines.
func (w *world) typing(t *testing.T, user string, lines []string, args ...string) answer {
	t.Helper()
	var out, errOut bytes.Buffer
	c := &cli{
		IOStreams: genericiooptions.IOStreams{In: strings.NewReader(strings.Join(lines, "\n")), Out: &out, ErrOut: &errOut},
		flags:     genericclioptions.NewConfigFlags(true), terminal: lines != nil, now: time.Now, zone: time.UTC, patience: w.patience,
	}
	root := newRoot(c)
	root.SetArgs(append([]string{"--kubeconfig", kubeconfig(t, w.As(t, user), user), "-n", w.namespace}, args...))
	err := root.ExecuteContext(t.Context())
	return answer{out: out.String(), errOut: errOut.String(), err: err}
}

func kubeconfig(t *testing.T, config *rest.Config, user string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	must(t, clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"c": {Server: config.Host, CertificateAuthorityData: config.CAData}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{user: {ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}},
		Contexts:       map[string]*clientcmdapi.Context{"c": {Cluster: "c", AuthInfo: user}},
		CurrentContext: "c",
	}, file))
	return file
}

// contains compares what was printed with what must be in it, each a regular expression.
func contains(t *testing.T, what, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("%s: no match of %q in:\n%s", what, want, text)
		}
	}
}

// failure is the text of an error that there must be.
func failure(t *testing.T, a answer) string {
	t.Helper()
	if a.err == nil {
		t.Fatalf("no error; printed:\n%s", a.out)
	}
	return a.err.Error()
}

var digest = strings.Repeat("0123456789abcdef", 4)

func condition(kind string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message, LastTransitionTime: metav1.Now()}
}

// waiting makes an action that waits for an approval at a tier.
func (w *world) waiting(t *testing.T, name string, tier v1alpha1.Tier) *v1alpha1.ResponseAction {
	t.Helper()
	a := &v1alpha1.ResponseAction{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name, Labels: map[string]string{v1alpha1.LabelInvestigation: "shop-7f3a"}},
		Spec: v1alpha1.ResponseActionSpec{
			Use: &v1alpha1.ActionUse{Connector: "cluster", Operation: "isolate-pod"}, Investigation: "shop-7f3a",
			Reason: "proposed", RequestedBy: "playbook:stolen-token",
		},
	}
	must(t, w.operator.Create(t.Context(), a))
	must(t, w.plan(t.Context(), a, tier))
	return a
}

// plan lets an action wait, as the operator does.
func (w *world) plan(ctx context.Context, a *v1alpha1.ResponseAction, tier v1alpha1.Tier) error {
	a.Status = v1alpha1.ResponseActionStatus{
		Plan: &v1alpha1.Plan{
			Digest: digest, Summary: "isolate pod shop/web-0", Diff: "+kind: NetworkPolicy\n", Warnings: []string{"it serves a Service"},
			Risk: v1alpha1.RiskHigh, Undo: v1alpha1.UndoReversible, PlannedAt: metav1.NowMicro(),
			Target: v1alpha1.TargetReference{Kind: "Pod", Namespace: "shop", Name: "web-0"},
		},
		Decision:   &v1alpha1.Decision{Outcome: v1alpha1.DecisionRequire, Tier: tier, Approvals: 1, Reasons: []string{"risk High waits"}},
		Conditions: []metav1.Condition{condition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonWaitingForApproval, "waits for 1 more")},
	}
	return w.operator.Status().Update(ctx, a)
}

// succeeded makes an action that was done and can be undone.
func (w *world) succeeded(t *testing.T, name string) *v1alpha1.ResponseAction {
	t.Helper()
	a := w.waiting(t, name, v1alpha1.TierAnalyst)
	done(a)
	a.Status.Inverse = &runtime.RawExtension{Raw: []byte(`{"connector":"cluster","operation":"release-pod"}`)}
	must(t, w.operator.Status().Update(t.Context(), a))
	return a
}

func done(a *v1alpha1.ResponseAction) {
	a.Status.Result = &v1alpha1.ActionResult{Outcome: v1alpha1.OutcomeSucceeded, FinishedAt: metav1.NowMicro()}
	a.Status.Conditions = []metav1.Condition{condition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonSucceeded, "isolated")}
}

// attack makes the case that the actions belong to.
func (w *world) attack(t *testing.T, title string) *v1alpha1.Investigation {
	t.Helper()
	c := &v1alpha1.Investigation{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "shop-7f3a"}}
	must(t, w.operator.Create(t.Context(), c))
	score, prior, permille := int32(305), int32(5), int32(999)
	c.Status = v1alpha1.InvestigationStatus{
		Title: title, Priority: v1alpha1.PriorityP1, Verdict: v1alpha1.TruePositive, AnalystVerdict: v1alpha1.TruePositive, AlertCount: 1,
		Score: &score, Prior: &prior, ProbabilityPermille: &permille, PriorReason: "by severity",
		Evidence: []v1alpha1.Evidence{{
			ID: "E1", Question: "universal/binding", Finding: title, Provenance: v1alpha1.ProvenanceTrusted, Claimed: 300, Weight: 300,
		}},
		Timeline:    []v1alpha1.TimelineEntry{{Time: metav1.NowMicro(), What: title, Alert: "a1"}},
		BlastRadius: &v1alpha1.BlastRadius{Secrets: 212, Namespaces: 14, PodsExec: 61, Nodes: 3},
		Conditions:  []metav1.Condition{condition(v1alpha1.ConditionConcluded, metav1.ConditionTrue, v1alpha1.ReasonConcluded, "TruePositive")},
	}
	must(t, w.operator.Status().Update(t.Context(), c))
	return c
}

// approvals of the tenant.
func (w *world) approvals(t *testing.T) []v1alpha1.Approval {
	t.Helper()
	var list v1alpha1.ApprovalList
	must(t, w.Client.List(t.Context(), &list, client.InNamespace(w.namespace)))
	return list.Items
}

// react plays the operator: it rules on each Approval, and lets the action follow.
func (w *world) react(t *testing.T, ruling metav1.Condition, follow func(*v1alpha1.ResponseAction)) {
	t.Helper()
	watcher, err := w.operator.Watch(t.Context(), &v1alpha1.ApprovalList{}, client.InNamespace(w.namespace))
	must(t, err)
	finished := make(chan struct{})
	t.Cleanup(func() { watcher.Stop(); <-finished })
	go func() {
		defer close(finished)
		for event := range watcher.ResultChan() {
			approval, ok := event.Object.(*v1alpha1.Approval)
			if !ok || meta.FindStatusCondition(approval.Status.Conditions, v1alpha1.ConditionCounted) != nil {
				continue
			}
			w.rule(t, approval, ruling, follow)
		}
	}()
}

func (w *world) rule(t *testing.T, approval *v1alpha1.Approval, ruling metav1.Condition, follow func(*v1alpha1.ResponseAction)) {
	ruling.LastTransitionTime = metav1.Now()
	approval.Status.Conditions = []metav1.Condition{ruling}
	if err := w.operator.Status().Update(context.Background(), approval); err != nil {
		t.Errorf("ruling: %v", err)
	}
	a := &v1alpha1.ResponseAction{}
	if err := w.operator.Get(context.Background(), client.ObjectKey{Namespace: w.namespace, Name: approval.Spec.Action}, a); err != nil {
		t.Errorf("action: %v", err)
		return
	}
	if ruling.Status == metav1.ConditionTrue {
		a.Status.Approvals = append(a.Status.Approvals, v1alpha1.CountedApproval{
			Name: approval.Name, Approver: approval.Spec.Approver, Tier: approval.Spec.Tier, Decision: approval.Spec.Decision,
		})
	}
	follow(a)
	if err := w.operator.Status().Update(context.Background(), a); err != nil {
		t.Errorf("following: %v", err)
	}
}
