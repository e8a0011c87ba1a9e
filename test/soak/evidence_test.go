package soak_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"regexp"
	"strings"
	"sync"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/audit"
)

// shelf is an archive that survives every operator.
type shelf struct {
	mu    sync.Mutex
	blobs map[string][]byte
}

// PutBlobs implements kubernetes.Archive.
func (s *shelf) PutBlobs(_ context.Context, bodies ...[]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, body := range bodies {
		sum := sha256.Sum256(body)
		s.blobs[hex.EncodeToString(sum[:])] = body
	}
	return nil
}

// Blob implements kubernetes.Archive.
func (s *shelf) Blob(_ context.Context, digest string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if body, ok := s.blobs[digest]; ok {
		return body, nil
	}
	return nil, errors.New("the archive does not have it")
}

var capturedBy = regexp.MustCompile(` by (\S+?)(;|$)`)

// checkEvidence: no pod is deleted before its evidence is kept, or it is said why not. It
// returns whether it was kept.
func (s *soak) checkEvidence(a *v1alpha1.ResponseAction, intents []audit.Entry, all map[string]v1alpha1.ResponseAction) (kept bool) {
	if a.Spec.Use == nil || a.Spec.Use.Operation != "delete-pod" {
		return false
	}
	for _, intent := range intents {
		said, _ := intent.Data["evidenceBefore"].(string)
		reason, _, _ := strings.Cut(said, ": ")
		switch reason {
		case v1alpha1.ReasonNotCaptured:
			continue
		case v1alpha1.ReasonCaptured:
			kept = true
		default:
			s.t.Errorf("%s: its intent says of evidence %q", a.Name, said)
			continue
		}
		for _, by := range capturedBy.FindAllStringSubmatch(said, -1) {
			capture := all[by[1]]
			result := capture.Status.Result
			if result == nil || result.Outcome != v1alpha1.OutcomeSucceeded || result.FinishedAt.After(intent.Time) ||
				capture.Status.Plan.Target.UID != a.Status.Plan.Target.UID || !s.stands(&capture) {
				s.t.Errorf("%s: begun at %s on %s, of which there is no evidence by %s: %+v", a.Name, intent.Time, a.Status.Plan.Target.UID, by[1], result)
			}
		}
	}
	return kept
}

// stands: the archive has what the log says that a capture kept.
func (s *soak) stands(capture *v1alpha1.ResponseAction) bool {
	if capture.Status.Result.LogIndex == nil {
		return false
	}
	digest, said := s.ledger.entries[*capture.Status.Result.LogIndex].Data["evidence"].(string)
	if !said {
		return true // whoever captured was killed before it could say; the next one saw that it was there
	}
	_, err := s.shelf.Blob(context.Background(), digest)
	return err == nil
}
