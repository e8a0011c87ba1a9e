package responseaction

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

var (
	// errStale: the action was read in an older version than there is; nothing was written.
	errStale = errors.New("the action has changed since it was read")
	// errUnsaved: it is not known whether the status was written.
	errUnsaved = errors.New("write the status")
)

// store writes the status of actions, and tells about it: log before, events and metrics after.
type store struct {
	client client.Client
	log    Log
	events events.EventRecorder

	mu sync.Mutex
	// written holds the resourceVersion of this process's last write of an action.
	written map[types.NamespacedName]string
}

func newStore(c client.Client, log Log, recorder events.EventRecorder) *store {
	return &store{client: c, log: log, events: recorder, written: map[types.NamespacedName]string{}}
}

// save writes the status if it has changed, provided that nobody wrote it since it was read.
func (s *store) save(ctx context.Context, r *run) error {
	unlogged := s.record(ctx, r)
	if equality.Semantic.DeepEqual(r.stored.Status, r.action.Status) {
		return unlogged
	}
	if err := s.client.Status().Update(ctx, r.action); err != nil {
		if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
			return errStale
		}
		return fmt.Errorf("%w of %s: %w", errUnsaved, client.ObjectKeyFromObject(r.action), err)
	}
	s.wrote(r.action)
	tell(s.events, r)
	count(r)
	r.stored = r.action.DeepCopy()
	return unlogged
}

// record sequences what happened before the status says so. A result that cannot
// be logged is kept and logged later; anything else is not said to have happened.
func (s *store) record(ctx context.Context, r *run) error {
	entry, due := entryFor(r)
	if !due {
		return nil
	}
	index, err := s.log.Append(ctx, entry)
	if err == nil {
		if result := r.status().Result; result != nil {
			result.LogIndex = &index
		}
		return nil
	}
	if r.status().Result == nil {
		r.action.Status = *r.stored.Status.DeepCopy()
		r.wait(v1alpha1.ReasonAuditUnavailable, auditDown(err))
	}
	return fmt.Errorf("audit log: %w", err)
}

// behind says that this version of the action is older than one that this process wrote.
func (s *store) behind(action *v1alpha1.ResponseAction) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	written, known := s.written[client.ObjectKeyFromObject(action)]
	if !known {
		return false
	}
	order, err := resourceversion.CompareResourceVersion(action.ResourceVersion, written)
	return err == nil && order < 0
}

func (s *store) wrote(action *v1alpha1.ResponseAction) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written[client.ObjectKeyFromObject(action)] = action.ResourceVersion
}

func (s *store) forget(key types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.written, key)
}

func auditDown(err error) string {
	return "the audit log takes no entries, and without it nothing is done: " + err.Error()
}
