package responseaction

import (
	"fmt"
	"testing"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

func TestTargets(t *testing.T) {
	pod := v1alpha1.TargetReference{APIVersion: "v1", Kind: "Pod", Namespace: "shop", Name: "web-0", UID: "u1"}
	other := pod
	other.Name = "web-1"
	again := pod
	again.UID = "u2" // the same place, whoever stands there
	table := newTargets()

	early := table.turn()
	release := table.acquire(pod, early)
	if release == nil {
		t.Fatal("a free target cannot be acquired")
	}
	if table.acquire(again, table.turn()) != nil {
		t.Error("acquired while it is held")
	}
	if table.acquire(other, early) == nil {
		t.Error("another target is not free")
	}
	release()
	if table.acquire(pod, early) != nil {
		t.Error("acquired on a plan that was made before the last action on the target ended")
	}
	if table.acquire(pod, table.turn()) == nil {
		t.Error("not acquired on a plan that was made afterwards")
	}
}

func TestTargetsForgetOnTheSafeSide(t *testing.T) {
	table := newTargets()
	early := table.turn()
	for i := range maxReleased + 2 {
		name := fmt.Sprint(i)
		table.acquire(v1alpha1.TargetReference{Kind: "Pod", Name: name}, table.turn())()
	}
	if n := len(table.released); n > maxReleased {
		t.Errorf("remembers %d targets, want at most %d", n, maxReleased)
	}
	if table.acquire(v1alpha1.TargetReference{Kind: "Pod", Name: "0"}, early) != nil {
		t.Error("a forgotten action counts as none")
	}
	if table.acquire(v1alpha1.TargetReference{Kind: "Pod", Name: "0"}, table.turn()) == nil {
		t.Error("never free again")
	}
}
