package response

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/shorten"
)

// CapturePatience is how long a capture is waited for: whoever can make it hang must not
// thereby keep alive what it is of.
const CapturePatience = time.Minute

// captureFresh is how long ago a capture for the same case may have ended to count.
const captureFresh = 15 * time.Minute

// Capture is evidence that is wanted before an action destroys it.
type Capture struct {
	// Name of the action that is made for it.
	Name string
	// Use of that action.
	Connector, Operation string
	// Target whose evidence it is.
	Target v1alpha1.TargetReference
}

// CaptureState is how far a capture is.
type CaptureState int

const (
	// CaptureMissing: there is none that counts.
	CaptureMissing CaptureState = iota
	// CaptureUnderWay: it is waited for.
	CaptureUnderWay
	// CaptureKept: the evidence is kept.
	CaptureKept
	// CaptureGivenUp: it is not waited for any more.
	CaptureGivenUp
)

// CaptureStanding is how far a capture is, and by which action.
type CaptureStanding struct {
	State CaptureState
	// By is the name of the action.
	By string
	// Why it was given up.
	Why string
	// Until when it is waited for.
	Until time.Time
}

// Standing of the capture, by the actions of the same case.
func (c Capture) Standing(among []v1alpha1.ResponseAction, now time.Time) CaptureStanding {
	best := CaptureStanding{}
	for i := range among {
		s := c.by(&among[i], now)
		switch {
		case s.State == CaptureKept:
			return s
		case s.State == CaptureUnderWay, s.State == CaptureGivenUp && best.State == CaptureMissing:
			best = s
		}
	}
	return best
}

func (c Capture) by(a *v1alpha1.ResponseAction, now time.Time) CaptureStanding {
	own := a.Name == c.Name
	s := CaptureStanding{By: a.Name, Until: a.CreationTimestamp.Add(CapturePatience)}
	switch {
	case !c.is(a):
		if own {
			s.State, s.Why = CaptureGivenUp, fmt.Sprintf("ResponseAction %s captures something else", a.Name)
		}
	case End(a) == v1alpha1.ActionEnd(v1alpha1.OutcomeSucceeded), End(a) == v1alpha1.ActionEnd(v1alpha1.OutcomeSkipped):
		if own || now.Sub(a.Status.Result.FinishedAt.Time) < captureFresh {
			s.State = CaptureKept
		}
	case !Settled(a) && !Stalled(a) && now.Before(s.Until):
		if own || automatic(a.Spec.RequestedBy) {
			s.State = CaptureUnderWay
		}
	case own:
		s.State, s.Why = CaptureGivenUp, a.Name+" "+told(a)
	}
	return s
}

// is says whether an action captures the evidence. The label is all that tells before there is a plan.
func (c Capture) is(a *v1alpha1.ResponseAction) bool {
	if a.Spec.Use == nil || a.Spec.Use.Connector != c.Connector || a.Spec.Use.Operation != c.Operation {
		return false
	}
	if a.Status.Plan != nil {
		return a.Status.Plan.Target.UID == c.Target.UID
	}
	return a.Labels[v1alpha1.LabelEvidenceOf] == c.Target.UID
}

// automatic: the operator asks, which admission proves. People could ask for one after the other.
func automatic(requester string) bool {
	_, playbook := PlaybookOf(requester)
	return playbook || CapturesFor(requester) != ""
}

func told(a *v1alpha1.ResponseAction) string {
	ready := meta.FindStatusCondition(a.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil {
		return "was not begun"
	}
	return "stands at " + ready.Reason + ": " + ready.Message
}

// CaptureName is the name of the action that captures an object before another one destroys it.
func CaptureName(action *v1alpha1.ResponseAction, target v1alpha1.TargetReference) string {
	sum := sha256.Sum256([]byte(string(action.UID) + "/" + target.UID))
	return shorten.Name(action.Name, maxCapturePrefix) + "-evidence-" + hex.EncodeToString(sum[:])[:10]
}

const (
	maxCapturePrefix = 200
	evidencePrefix   = "evidence:"
	onBehalfOf       = " for "
)

// CaptureRequester is who asks for evidence before an action: the operator, for who asked for that.
func CaptureRequester(action *v1alpha1.ResponseAction) string {
	return evidencePrefix + action.Name + onBehalfOf + shorten.Characters(action.Spec.RequestedBy, maxGrader)
}

// CapturesFor is the name of the action that a capture was asked for; empty if it was asked for by itself.
func CapturesFor(requester string) string {
	asks, found := strings.CutPrefix(requester, evidencePrefix)
	if !found {
		return ""
	}
	name, _, _ := strings.Cut(asks, onBehalfOf)
	return name
}

// beneficiary is who asked for the action that a capture is made for; empty if it is made for none.
func beneficiary(requester string) string {
	if CapturesFor(requester) == "" {
		return ""
	}
	_, who, _ := strings.Cut(requester, onBehalfOf)
	return who
}
