package audit

import (
	"bytes"
	"crypto/rand"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
)

func TestEncodingIsCanonical(t *testing.T) {
	e := Entry{
		Time: time.Date(2026, 3, 1, 11, 0, 0, 5, time.FixedZone("east", 2*60*60)), Type: TypeResult, Summary: "a < b & c\n\u2028",
		Data: map[string]any{"z": 1, "a": map[string]any{"y": nil, "x": []string{"<"}}},
	}
	want := `{"time":"2026-03-01T09:00:00.000000005Z","type":"result","summary":"a < b & c\n\u2028","data":{"a":{"x":["<"],"y":null},"z":1}}`
	raw, err := e.encode()
	if diff := cmp.Diff(want, string(raw)); err != nil || diff != "" {
		t.Errorf("%v, encoded (-want +got):\n%s", err, diff)
	}
}

// What decodes encodes to something that decodes to the same.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"time":"2026-03-01T09:00:00Z","type":"intent","data":{"n":1e400,"later":[null]},"unknown":1}`))
	f.Add([]byte(`{}{}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := decode(raw)
		if err != nil {
			return
		}
		again, err := e.encode()
		if err != nil {
			return
		}
		back, err := decode(again)
		if err != nil {
			t.Fatalf("%q encodes to %q, which does not decode: %v", raw, again, err)
		}
		if twice, err := back.encode(); err != nil || !bytes.Equal(again, twice) {
			t.Errorf("%q encodes to %q and then to %q, %v", raw, again, twice, err)
		}
	})
}

// A bundle that splits is the one that joining its entries makes.
func FuzzSplit(f *testing.F) {
	f.Add([]byte("\x00\x01x\x00\x00\x00\x02yz"))
	f.Add([]byte("\xff\xffx"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := split(raw)
		var joined []byte
		for i, e := range b.entries {
			joined = append(append(joined, byte(len(e)>>8), byte(len(e))), e...)
			if b.ends[i] != len(joined) {
				t.Fatalf("entry %d ends at %d, not %d", i, len(joined), b.ends[i])
			}
		}
		if !bytes.HasPrefix(raw, joined) || err == nil && len(joined) != len(raw) {
			t.Errorf("%q splits into %q, %v", raw, b.entries, err)
		}
	})
}

// No path names two resources, and none that is read differs from the one that is written.
func FuzzParseResource(f *testing.F) {
	for _, path := range []string{"tile/0/x001/234", "tile/entries/000.p/5", "tile/1/000", "tile/0/0001", "tile/00/000", "tile/0/../../x"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if r, ok := parseResource(path); ok && r.path() != path {
			t.Errorf("%q was read as %q", path, r.path())
		}
		leftover(path, 300)
	})
}

// Nothing but the signed bytes opens.
func FuzzOpenCheckpoint(f *testing.F) {
	skey, vkey, err := note.GenerateKey(rand.Reader, "log")
	if err != nil {
		f.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		f.Fatal(err)
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		f.Fatal(err)
	}
	signed, err := note.Sign(&note.Note{Text: "log\n5\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"}, signer)
	if err != nil {
		f.Fatal(err)
	}
	if cp, err := openCheckpoint(signed, verifier); err != nil || cp.Size != 5 {
		f.Fatalf("the signed checkpoint: %+v, %v", cp, err)
	}
	f.Add(signed)
	f.Add(bytes.Replace(signed, []byte("=\n\n"), []byte("=\nmore\n\n"), 1))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if _, err := openCheckpoint(raw, verifier); err == nil && !bytes.Equal(raw, signed) {
			t.Errorf("%q opened", raw)
		}
	})
}
