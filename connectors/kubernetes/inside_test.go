package kubernetes

import (
	"io"
	"strings"
	"testing"
)

func TestLimited(t *testing.T) {
	l := &limited{left: 5}
	for _, said := range []string{"abc", "defgh", "i"} {
		if n, err := io.Copy(l, strings.NewReader(said)); err != nil || n != int64(len(said)) {
			t.Errorf("%q: got %d, %v; want all of it taken", said, n, err)
		}
	}
	if text, cut := l.text(); text != "abcde" || !cut {
		t.Errorf("kept %q, cut is %t; want the first five bytes, and that it is cut", text, cut)
	}
}
