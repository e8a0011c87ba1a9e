package ingest_test

import (
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/ingest"
)

// FuzzClean puts an event about a Secret somewhere into a body: whether that is JSON
// or not, nothing of the Secret's content may be kept.
func FuzzClean(f *testing.F) {
	f.Add("{}\n", "\n")
	f.Add(`{"items":[`, "]}")
	f.Add(`{"items":[`, "")
	f.Add(strings.Repeat("[", 300), strings.Repeat("]", 300))
	f.Fuzz(func(t *testing.T, before, after string) {
		if strings.Contains(before+after, "djE=") {
			return
		}
		kept, err := ingest.Clean([]byte(before + aboutSecret + after))
		if strings.Contains(string(kept), "djE=") {
			t.Errorf("%q, %v", kept, err)
		}
	})
}
