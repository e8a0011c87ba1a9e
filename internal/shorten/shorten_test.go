package shorten_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tocsin-dev/tocsin/internal/shorten"
)

func TestShorten(t *testing.T) {
	for name, c := range map[string]struct{ got, want string }{
		"characters that fit":            {shorten.Characters("äöü", 3), "äöü"},
		"characters that do not":         {shorten.Characters("äöüß", 3), "äö…"},
		"characters, all cut off":        {shorten.Characters("äö", 1), "…"},
		"characters, broken":             {shorten.Characters("a\xffb", 3), "a\uFFFDb"},
		"characters, nothing may remain": {shorten.Characters("a", 0), ""},
		"bytes that fit":                 {shorten.Bytes("äö", 4), "äö"},
		"bytes, between two characters":  {shorten.Bytes("aääää", 7), "aä…"},
		"bytes, broken":                  {shorten.Bytes("\xff", 3), "\uFFFD"},
		"a name that fits":               {shorten.Name("a.b-", 4), "a.b-"},
		"a name cut after a dot":         {shorten.Name("web-.x", 5), "web"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.got != c.want {
				t.Errorf("got %q, want %q", c.got, c.want)
			}
		})
	}
}

func FuzzShorten(f *testing.F) {
	f.Add("aäß…\xff", 3)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		if limit < 3 || limit > 1<<16 {
			t.Skip()
		}
		if got := shorten.Characters(text, limit); utf8.RuneCountInString(got) > limit || !utf8.ValidString(got) {
			t.Errorf("%q is not valid or over %d characters", got, limit)
		}
		if got := shorten.Bytes(text, limit); len(got) > limit || !utf8.ValidString(got) {
			t.Errorf("%q is not valid or over %d bytes", got, limit)
		}
		if got := shorten.Name(text, limit); len(got) > limit || !strings.HasPrefix(text, got) {
			t.Errorf("%q is no beginning of %q of at most %d bytes", got, text, limit)
		}
	})
}
