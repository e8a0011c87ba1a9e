package configuration

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// pollSeen is how often Await looks; it is memory and cache only.
const pollSeen = 20 * time.Millisecond

// Seen tells which objects were checked since the process started.
type Seen struct{ keys sync.Map }

func (s *Seen) mark(key types.NamespacedName) {
	if s != nil {
		s.keys.Store(key, struct{}{})
	}
}

// Await returns once every object of the list's kind that exists was checked,
// whether it is in force or was refused.
func (s *Seen) Await(ctx context.Context, reader client.Reader, list client.ObjectList) error {
	return wait.PollUntilContextCancel(ctx, pollSeen, true, func(ctx context.Context) (bool, error) {
		if err := reader.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			return false, err
		}
		all := true
		err := meta.EachListItem(list, func(object runtime.Object) error {
			_, checked := s.keys.Load(client.ObjectKeyFromObject(object.(client.Object)))
			all = all && checked
			return nil
		})
		return all, err
	})
}
