package responseaction

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// someone who has begun nothing.
var someone = types.NamespacedName{Namespace: "soc", Name: "act"}

func TestTargets(t *testing.T) {
	pod := v1alpha1.TargetReference{APIVersion: "v1", Kind: "Pod", Namespace: "shop", Name: "web-0", UID: "u1"}
	other := pod
	other.Name = "web-1"
	again := pod
	again.UID = "u2" // the same place, whoever stands there
	table := newTargets()

	early := table.turn()
	release := table.acquire(someone, early, pod)
	if release == nil {
		t.Fatal("a free target cannot be acquired")
	}
	if table.acquire(someone, table.turn(), again) != nil {
		t.Error("acquired while it is held")
	}
	if table.acquire(someone, early, other) == nil {
		t.Error("another target is not free")
	}
	release()
	if table.acquire(someone, early, pod) != nil {
		t.Error("acquired on a plan that was made before the last action on the target ended")
	}
	if table.acquire(someone, table.turn(), pod) == nil {
		t.Error("not acquired on a plan that was made afterwards")
	}
}

func TestTargetsAreAcquiredTogether(t *testing.T) {
	target := func(name string) v1alpha1.TargetReference { return v1alpha1.TargetReference{Kind: "Pod", Name: name} }
	table := newTargets()
	release := table.acquire(someone, table.turn(), target("a"), target("b"))
	if release == nil {
		t.Fatal("free targets cannot be acquired")
	}
	if table.acquire(someone, table.turn(), target("c"), target("b")) != nil {
		t.Error("acquired although one of them is held")
	}
	if table.acquire(someone, table.turn(), target("c")) == nil {
		t.Error("what was not acquired is held")
	}
	release()
	if table.acquire(someone, table.turn(), target("a")) == nil || table.acquire(someone, table.turn(), target("b")) == nil {
		t.Error("not all were given back")
	}
}

func TestTargetsForgetOnTheSafeSide(t *testing.T) {
	table := newTargets()
	early := table.turn()
	for i := range maxReleased + 2 {
		name := fmt.Sprint(i)
		table.acquire(someone, table.turn(), v1alpha1.TargetReference{Kind: "Pod", Name: name})()
	}
	if n := len(table.released); n > maxReleased {
		t.Errorf("remembers %d targets, want at most %d", n, maxReleased)
	}
	if table.acquire(someone, early, v1alpha1.TargetReference{Kind: "Pod", Name: "0"}) != nil {
		t.Error("a forgotten action counts as none")
	}
	if table.acquire(someone, table.turn(), v1alpha1.TargetReference{Kind: "Pod", Name: "0"}) == nil {
		t.Error("never free again")
	}
}
