//go:build unix

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/tocsin-dev/tocsin/internal/audit"
)

// newLog writes a log of ten entries.
func newLog(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	log, err := audit.Open(t.Context(), dir)
	must(t, err)
	for i := range 10 {
		_, err := log.Append(t.Context(), audit.Entry{Time: time.Date(2026, 3, 5, 9, 2, i, 0, time.UTC), Type: audit.TypeIntent, Summary: fmt.Sprint("entry number ", i)})
		must(t, err)
	}
	must(t, log.Close(t.Context()))
	return dir
}

func offline(t *testing.T, args ...string) answer {
	t.Helper()
	var out, errOut bytes.Buffer
	root := newRoot(&cli{IOStreams: genericiooptions.IOStreams{Out: &out, ErrOut: &errOut}, flags: genericclioptions.NewConfigFlags(true), now: time.Now, zone: time.UTC})
	root.SetArgs(args)
	err := root.ExecuteContext(t.Context())
	return answer{out.String(), errOut.String(), err}
}

func TestAuditVerify(t *testing.T) {
	dir := newLog(t)
	key := filepath.Join(t.TempDir(), "kept.pub")
	raw, err := os.ReadFile(filepath.Join(dir, "audit.pub"))
	must(t, err)
	must(t, os.WriteFile(key, raw, 0o600))
	for name, copied := range map[string]string{"the folder": dir, "the log in it": filepath.Join(dir, "log")} {
		t.Run(name, func(t *testing.T) {
			a := offline(t, "audit", "verify", copied, "--key", key)
			must(t, a.err)
			contains(t, "output", a.out, "verified: 10 entries of soc.tocsin.dev/audit/", "the last entry is of 2026-03-05T09:02:09Z")
			if a.errOut != "" {
				t.Errorf("warned: %s", a.errOut)
			}
			beside := offline(t, "audit", "verify", copied)
			must(t, beside.err)
			contains(t, "warning", beside.errOut, "a key from the same place as the log proves less")
		})
	}
	checkpoint := filepath.Join(dir, "log", "checkpoint")
	earlier := offline(t, "audit", "verify", dir, "--key", key, "--earlier", checkpoint)
	must(t, earlier.err)
	contains(t, "earlier", earlier.out, "it continues what was signed earlier")

	bundle := filepath.Join(dir, "log", "tile", "entries", "000.p", "10")
	entries, err := os.ReadFile(bundle)
	must(t, err)
	must(t, os.WriteFile(bundle, bytes.Replace(entries, []byte("entry number 7"), []byte("entry number 8"), 1), 0o600))
	tampered := offline(t, "audit", "verify", dir, "--key", key)
	contains(t, "tampered", failure(t, tampered), `entry 7 does not fit, the first that does not \(in log/tile/entries/000.p/10\): it is not the entry that was logged`)
	if tampered.out != "" {
		t.Errorf("a tampered log prints %q", tampered.out)
	}
}

func TestNothingPassesForProof(t *testing.T) {
	for _, args := range [][]string{{"audit"}, {"audit", "verfy", newLog(t)}} {
		contains(t, "error", failure(t, offline(t, args...)), "nothing was verified")
	}
}

func TestAuditVerifyCannotBegin(t *testing.T) {
	dir := newLog(t)
	other := filepath.Join(newLog(t), "audit.pub")
	empty := t.TempDir()
	tests := map[string]struct {
		args []string
		want string
	}{
		"no key":          {[]string{empty}, "there is no audit.pub in .* or beside it: name the public key with --key"},
		"a missing key":   {[]string{dir, "--key", filepath.Join(empty, "x")}, "public key: .*no such file"},
		"not a key":       {[]string{dir, "--key", filepath.Join(dir, "log", "checkpoint")}, "the log could not be verified: public key"},
		"another's key":   {[]string{dir, "--key", other}, "log/checkpoint does not fit: it is not signed by"},
		"no log":          {[]string{empty, "--key", other}, "log/checkpoint does not fit: it is missing"},
		"another history": {[]string{dir, "--key", filepath.Join(dir, "audit.pub"), "--earlier", filepath.Join(filepath.Dir(other), "log", "checkpoint")}, "earlier checkpoint 1: is not signed by"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			a := offline(t, append([]string{"audit", "verify"}, tc.args...)...)
			contains(t, "error", failure(t, a), tc.want)
		})
	}
}
