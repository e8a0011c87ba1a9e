package responseaction

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/redact"
	"github.com/tocsin-dev/tocsin/internal/response"
	"github.com/tocsin-dev/tocsin/internal/shorten"
)

// maxCaptures before one action: more would delay it by minutes.
const maxCaptures = 5

// captureMargin before an action expires is left to do it.
const captureMargin = 5 * time.Second

// promise says in the plan whose evidence is captured first, for those who approve it.
type promise struct{}

func (promise) take(_ context.Context, r *run) (next, error) {
	if r.plan != nil {
		r.status().Plan.Evidence = shorten.Characters(redact.String(promised(r)), maxMessage)
	}
	return proceed, nil
}

func promised(r *run) string {
	chosen := chooseCaptures(r)
	switch skip := r.status().Decision.SkipEvidence; {
	case len(chosen) == 0:
		return ""
	case len(skip) > 0:
		return fmt.Sprintf("evidence of %s is not captured first: %s", subjects(r, chosen), strings.Join(skip, "; "))
	}
	return fmt.Sprintf("evidence of %s is captured first", subjects(r, chosen))
}

// chooseCaptures of those that the plan asks for: first what the case names, which is why something is destroyed.
func chooseCaptures(r *run) []connectors.Capture {
	wanted := slices.Clone(r.plan.Captures)
	if c := r.investigation; c != nil {
		named := func(capture connectors.Capture) bool {
			return slices.ContainsFunc(c.Status.Entities, func(e v1alpha1.Entity) bool {
				return string(e.Type) == capture.Target.Kind && e.Value == capture.Target.Namespace+"/"+capture.Target.Name
			})
		}
		rest := slices.DeleteFunc(slices.Clone(wanted), named)
		wanted = append(slices.DeleteFunc(wanted, func(c connectors.Capture) bool { return !named(c) }), rest...)
	}
	return wanted[:min(len(wanted), maxCaptures)]
}

func subjects(r *run, chosen []connectors.Capture) string {
	var names []string
	for _, c := range chosen {
		names = append(names, subject(c.Target))
	}
	text := strings.Join(names, ", ")
	if left := len(r.plan.Captures) - len(chosen); left > 0 {
		text += fmt.Sprintf(" (not of %d more, since at most %d are captured)", left, maxCaptures)
	}
	return text
}

func subject(t v1alpha1.TargetReference) string {
	if t.Namespace == "" {
		return t.Kind + " " + t.Name
	}
	return t.Kind + " " + t.Namespace + "/" + t.Name
}

// evidence has what an action destroys captured before its intent is written, by actions
// of their own. What fails or is refused holds it up for a moment only: whoever can make a
// capture fail must not thereby keep alive what it is of.
type evidence struct {
	client client.Client
	// live reads past the cache.
	live   client.Reader
	budget *budget
	// making lets one action at a time look for a capture and make it.
	making sync.Mutex
}

func (s *evidence) take(ctx context.Context, r *run) (next, error) {
	chosen := chooseCaptures(r)
	if len(chosen) == 0 {
		return proceed, nil
	}
	if skip := r.status().Decision.SkipEvidence; len(skip) > 0 {
		r.mark(v1alpha1.ConditionEvidenceCaptured, false, v1alpha1.ReasonSkippedByPolicy, shorten.Characters(strings.Join(skip, "; "), maxMessage))
		return proceed, nil
	}
	var standings []response.CaptureStanding
	for _, capture := range chosen {
		standing, err := s.look(ctx, r, capture, len(chosen))
		if err != nil {
			return halt, fmt.Errorf("evidence of %s: %w", subject(capture.Target), err)
		}
		standings = append(standings, standing)
	}
	return sumUp(r, chosen, standings), nil
}

// look how far a capture is; it is made where there is none.
func (s *evidence) look(ctx context.Context, r *run, c connectors.Capture, all int) (response.CaptureStanding, error) {
	wanted := response.Capture{
		Name: response.CaptureName(r.action, c.Target), Connector: r.job.connector, Operation: c.Operation, Target: c.Target,
	}
	var ofCase v1alpha1.ResponseActionList
	if err := s.client.List(ctx, &ofCase, client.InNamespace(r.action.Namespace),
		client.MatchingFields{fieldInvestigation: r.action.Spec.Investigation}); err != nil {
		return response.CaptureStanding{}, err
	}
	if standing := wanted.Standing(ofCase.Items, r.now); standing.State != response.CaptureMissing {
		return standing, nil
	}
	s.making.Lock()
	defer s.making.Unlock()
	made, err := s.made(ctx, r, wanted)
	if err != nil {
		return response.CaptureStanding{}, err
	}
	if standing := wanted.Standing(made, r.now); standing.State != response.CaptureMissing {
		return standing, nil
	}
	left, err := s.budget.left(ctx, r.action.Namespace, r.now)
	if err != nil {
		return response.CaptureStanding{}, err
	}
	if left <= all {
		return forgo("namespace %s has only %d of its actions an hour left", r.action.Namespace, left), nil
	}
	return s.make(ctx, r, wanted, c.Arguments)
}

// made are the captures of the same object for the same case that were made by now, whatever the cache knows.
func (s *evidence) made(ctx context.Context, r *run, c response.Capture) ([]v1alpha1.ResponseAction, error) {
	var made v1alpha1.ResponseActionList
	err := s.live.List(ctx, &made, client.InNamespace(r.action.Namespace), client.MatchingLabels{v1alpha1.LabelEvidenceOf: c.Target.UID})
	return slices.DeleteFunc(made.Items, func(a v1alpha1.ResponseAction) bool {
		return a.Spec.Investigation != r.action.Spec.Investigation
	}), err
}

// make is idempotent by the name.
func (s *evidence) make(ctx context.Context, r *run, c response.Capture, arguments map[string]any) (response.CaptureStanding, error) {
	capture, err := captureOf(r.action, c, arguments)
	if err != nil {
		return response.CaptureStanding{}, err
	}
	err = s.client.Create(ctx, capture)
	switch {
	case apierrors.IsAlreadyExists(err):
		err = s.live.Get(ctx, client.ObjectKeyFromObject(capture), capture)
		if err == nil && capture.Spec.RequestedBy != response.CaptureRequester(r.action) {
			return forgo("ResponseAction %s exists and was not made for it", capture.Name), nil
		}
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return forgo("%s", err), nil
	}
	return c.Standing([]v1alpha1.ResponseAction{*capture}, r.now), err
}

func forgo(format string, args ...any) response.CaptureStanding {
	return response.CaptureStanding{State: response.CaptureGivenUp, Why: fmt.Sprintf(format, args...)}
}

func captureOf(action *v1alpha1.ResponseAction, c response.Capture, arguments map[string]any) (*v1alpha1.ResponseAction, error) {
	with, err := json.Marshal(arguments)
	if err != nil {
		return nil, err
	}
	capture := &v1alpha1.ResponseAction{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: action.Namespace, Name: c.Name, Labels: map[string]string{v1alpha1.LabelEvidenceOf: c.Target.UID},
		},
		Spec: v1alpha1.ResponseActionSpec{
			Use:           &v1alpha1.ActionUse{Connector: c.Connector, Operation: c.Operation, With: &runtime.RawExtension{Raw: with}},
			Investigation: action.Spec.Investigation,
			Reason:        fmt.Sprintf("%s ends %s, and what it tells is kept before", action.Name, subject(c.Target)),
			RequestedBy:   response.CaptureRequester(action),
			ExpiresAfter:  &metav1.Duration{Duration: response.CapturePatience},
		},
	}
	if name, labelled := action.Labels[v1alpha1.LabelInvestigation]; labelled {
		capture.Labels[v1alpha1.LabelInvestigation] = name
	}
	return capture, nil
}

// sumUp says how far the captures are, and whether the action goes on.
func sumUp(r *run, chosen []connectors.Capture, standings []response.CaptureStanding) next {
	var kept, waiting, lost []string
	var until time.Time
	for i, s := range standings {
		of := subject(chosen[i].Target)
		switch s.State {
		case response.CaptureKept:
			kept = append(kept, fmt.Sprintf("%s by %s", of, s.By))
		case response.CaptureUnderWay:
			waiting = append(waiting, fmt.Sprintf("%s by %s", of, s.By))
			if s.Until.After(until) {
				until = s.Until
			}
		default:
			lost = append(lost, of+": "+s.Why)
		}
	}
	say := func(holds bool, reason string, parts []string) {
		message := strings.Join(parts, "; ")
		r.mark(v1alpha1.ConditionEvidenceCaptured, holds, reason, shorten.Characters(redact.String(message), maxMessage))
	}
	if limit := expiry(r.action).Add(-captureMargin); until.After(limit) {
		until = limit
	}
	if len(waiting) > 0 && !r.now.Before(until) {
		lost, waiting = append(lost, strings.Join(waiting, "; ")+": it would expire meanwhile"), nil
	}
	switch {
	case len(waiting) > 0:
		say(false, v1alpha1.ReasonCapturing, waiting)
		r.wait(v1alpha1.ReasonAuthorized, shorten.Characters("evidence is captured first, for a minute at most: "+strings.Join(waiting, "; "), maxMessage))
		return lookAgain(max(until.Sub(r.now), time.Second))
	case len(lost) > 0:
		say(false, v1alpha1.ReasonNotCaptured, lost)
	default:
		say(true, v1alpha1.ReasonCaptured, kept)
	}
	return proceed
}
