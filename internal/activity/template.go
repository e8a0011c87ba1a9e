package activity

import (
	"fmt"
	"strings"
)

const (
	// variants are how many known words a place has at least.
	variants = 3
	// alike are the words that have to be the same, for each that differs.
	alike = 2
)

// fits says whether a shape differs from several known ones in one or a few words only, the
// same ones in which these differ from each other: sync --partner d, after a, b and c.
// The shapes are a template with places for any word, as log parsers mine them (He et al.,
// Drain, ICWS 2017).
func (s *shapes) fits(shape string) bool {
	words := wordsOf(shape)
	templates := map[string][]map[string]bool{}
	for known := range s.has {
		other := wordsOf(known)
		places, like := differ(words, other)
		if !like {
			continue
		}
		key := fmt.Sprint(places)
		if templates[key] == nil {
			templates[key] = make([]map[string]bool, len(places))
		}
		varied := true
		for i, place := range places {
			if templates[key][i] == nil {
				templates[key][i] = map[string]bool{}
			}
			templates[key][i][other[place]] = true
			varied = varied && len(templates[key][i]) >= variants
		}
		if varied {
			return true
		}
	}
	return false
}

// wordsOf a shape: words, and between them what separates them.
func wordsOf(shape string) []string {
	var words []string
	for shape != "" {
		n := strings.IndexFunc(shape, separates)
		if n < 0 {
			n = len(shape)
		}
		rest := shape[n:]
		end := strings.IndexFunc(rest, func(r rune) bool { return !separates(r) })
		if end < 0 {
			end = len(rest)
		}
		words = append(words, shape[:n], rest[:end])
		shape = rest[end:]
	}
	return words
}

// separates keeps together what is written as one name, and apart what has a meaning of its
// own: the parts of a path, of a command and of the name of a host.
func separates(r rune) bool { return notOfWord(r) && !strings.ContainsRune("-_"+left+leftDigits, r) }

// differ tells in which places, of equally many, words differ. They are not like each other
// where those are not far fewer than the others, where what separates them differs, or
// where one is an option, which says what is done.
func differ(a, b []string) (places []int, like bool) {
	if len(a) != len(b) {
		return nil, false
	}
	same := 0
	for i := range a {
		switch {
		case a[i] != b[i] && (i%2 == 1 || a[i] == "" || b[i] == "" || a[i][0] == '-' || b[i][0] == '-'):
			return nil, false
		case a[i] != b[i]:
			places = append(places, i)
		case i%2 == 0 && a[i] != "":
			same++
		}
	}
	return places, len(places) > 0 && same >= alike*len(places)
}
