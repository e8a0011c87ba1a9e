package archive

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestBlobs(t *testing.T) {
	a := fresh(t)
	raw := []byte(`{"rule":"shell"}`)
	with := alert("a", "shell", noon)
	with.Raw = raw
	must(t, a.PutAlerts(t.Context(), with))
	must(t, a.PutBlobs(t.Context(), []byte("evidence"), raw, []byte{}))
	tests := map[string]struct {
		digest, want string
		wantErr      string
	}{
		"what is missing": {digest: sha("other"), wantErr: ErrNotFound.Error()},
		"evidence":        {digest: sha("evidence"), want: "evidence"},
		"a raw event":     {digest: sha(string(raw)), want: string(raw)},
		"nothing":         {digest: sha(""), want: ""},
		"what is no hex":  {digest: "xyz", wantErr: `"xyz": expected a SHA-256 of 64 hex digits`},
		"what is too few": {digest: "00ff", wantErr: "expected a SHA-256"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := a.Blob(t.Context(), tt.digest)
			switch {
			case tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)):
				t.Errorf("error %v, want %s", err, tt.wantErr)
			case tt.wantErr == "" && (err != nil || string(got) != tt.want):
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

// When it is full, the oldest go, and what came again lately stays.
func TestBlobsAreBounded(t *testing.T) {
	clock := &calendar{noon}
	a := open(t, t.TempDir(), clock)
	a.maxBytes = 100 << 10
	body := func(n int) []byte { return fmt.Appendf(nil, "%01024d", n) }
	for n := range 90 {
		must(t, a.PutBlobs(t.Context(), body(n)))
	}
	clock.at = noon.Add(25 * time.Hour)
	must(t, a.PutBlobs(t.Context(), body(0)))
	for n := range 30 {
		must(t, a.PutBlobs(t.Context(), body(1000+n)))
	}
	for n, want := range map[int]bool{0: true, 1: false, 32: false, 89: true, 1000: true, 1029: true} {
		if _, err := a.Blob(t.Context(), sha(string(body(n)))); (err == nil) != want {
			t.Errorf("blob %d: %v, want kept=%t", n, err, want)
		}
	}
	var bytes, rows int64
	must(t, a.reading.QueryRow("SELECT bytes, (SELECT sum(length(body)) FROM blob) FROM kept").Scan(&bytes, &rows))
	if bytes != rows || bytes > a.maxBytes {
		t.Errorf("%d bytes are counted, %d are there, %d are allowed", bytes, rows, a.maxBytes)
	}
}
