package main

import (
	"net/http/httptest"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/cache/informertest"
)

func TestReadyOnceCachesAreSynced(t *testing.T) {
	for _, are := range []bool{false, true} {
		err := synced(&informertest.FakeInformers{Synced: &are})(httptest.NewRequest("GET", "/readyz", nil))
		if (err == nil) != are {
			t.Errorf("synced %t: got %v", are, err)
		}
	}
}
