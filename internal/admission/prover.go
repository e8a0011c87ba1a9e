// Package admission proves that the API server refuses forged Approvals,
// requests and statuses, and since when.
package admission

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// ErrUnproven is wrapped by every error that says what is wrong with the
// installed policies. Other errors are those of the API server.
var ErrUnproven = errors.New("no approval counts until the admission policies are applied again " +
	"(kubectl apply --server-side --force-conflicts -k config/admission, or helm upgrade)")

// propagation is how long API servers may take to act on a policy that was written.
const propagation = 5 * time.Second

// Prover compares the installed policies with those of this build.
type Prover struct {
	live      client.Reader
	trial     client.Writer
	namespace string
	rules     []Rule
}

// New returns a Prover for an operator that runs in namespace. live must not
// read from a cache: an Approval that was read before the proof was admitted
// under policies that the proof sees, or under older ones, and then it sees when
// they were changed.
func New(live client.Reader, trial client.Writer, namespace string) (*Prover, error) {
	rules, err := Rules(namespace)
	if err != nil {
		return nil, err
	}
	return &Prover{live: live, trial: trial, namespace: namespace, rules: rules}, nil
}

// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=validatingadmissionpolicies;validatingadmissionpolicybindings,verbs=list
// +kubebuilder:rbac:groups=soc.tocsin.dev,resources=responseactions,verbs=create

// Since returns the time from which on the policies hold: what was created
// before it proves nothing. Call it after reading what it is to vouch for. The
// error says which policy differs and in what, and wraps ErrUnproven.
func (p *Prover) Since(ctx context.Context) (time.Time, error) {
	var policies admissionv1.ValidatingAdmissionPolicyList
	if err := p.live.List(ctx, &policies); err != nil {
		return time.Time{}, fmt.Errorf("listing ValidatingAdmissionPolicies: %w", err)
	}
	var bindings admissionv1.ValidatingAdmissionPolicyBindingList
	if err := p.live.List(ctx, &bindings); err != nil {
		return time.Time{}, fmt.Errorf("listing ValidatingAdmissionPolicyBindings: %w", err)
	}
	since, err := compare(p.rules, policies.Items, bindings.Items)
	if err != nil {
		return time.Time{}, err
	}
	if err := p.try(ctx); err != nil {
		return time.Time{}, err
	}
	return since.Add(propagation), nil
}

// try asks for something that the policies refuse, as a dry run: an API server
// that lets it pass does not enforce them, however they look.
func (p *Prover) try(ctx context.Context) error {
	forged := &v1alpha1.ResponseAction{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, GenerateName: "admission-trial-"},
		Spec: v1alpha1.ResponseActionSpec{
			Undo:        "nothing",
			Reason:      "A dry run that the admission policy tocsin-requesters must refuse.",
			RequestedBy: "somebody-else",
		},
	}
	err := p.trial.Create(ctx, forged, client.DryRunAll)
	switch {
	case err == nil:
		return fmt.Errorf("%w: the API server let a forged ResponseAction pass: is its admission plugin ValidatingAdmissionPolicy switched off?", ErrUnproven)
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "ValidatingAdmissionPolicy 'tocsin-requesters'"):
		return nil
	default:
		return fmt.Errorf("trying the admission policies: %w", err)
	}
}
