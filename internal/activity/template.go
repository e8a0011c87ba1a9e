package activity

import (
	"fmt"
	"strings"
)

const (
	// variants are how many known words a place has at least, or fewVariants where all but a
	// little is the same.
	variants, fewVariants = 3, 2
	// alike are the words that have to be the same, for each that differs, and muchAlike those
	// that are nearly all.
	alike, muchAlike = 2, 3
)

// fits says whether a shape differs from several known ones in one or a few words only, the
// same ones in which these differ from each other: sync --partner d, after a, b and c.
// The shapes are a template with places for any word, as log parsers mine them (He et al.,
// Drain, ICWS 2017). A word that stands in several places is put in once.
func (s *shapes) fits(shape string) bool {
	words := wordsOf(shape)
	templates := map[string][]map[string]bool{}
	for known := range s.has {
		other := wordsOf(known)
		d := differ(words, other)
		if !d.like {
			continue
		}
		key := fmt.Sprint(d.places)
		if templates[key] == nil {
			templates[key] = make([]map[string]bool, len(d.places))
		}
		wanted := variants
		if d.same >= muchAlike*len(d.exchanged) {
			wanted = fewVariants
		}
		varied := true
		for i, place := range d.places {
			if templates[key][i] == nil {
				templates[key][i] = map[string]bool{}
			}
			templates[key][i][other[place]] = true
			varied = varied && len(templates[key][i]) >= wanted
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

// difference of two shapes of equally many words.
type difference struct {
	// places in which words differ, and which words were exchanged there for which.
	places    []int
	exchanged map[[2]string]bool
	// same is how many words do not differ.
	same int
	// like each other they are not where those that differ are not far fewer than the others,
	// where what separates them differs, where one is an option, which says what is done, or
	// where the new one tells what many are after.
	like bool
}

// differ compares the words of a new shape with those of a known one.
func differ(words, known []string) difference {
	d := difference{exchanged: map[[2]string]bool{}}
	if len(words) != len(known) {
		return d
	}
	for i, word := range words {
		switch {
		case word != known[i] && (i%2 == 1 || option(word) || option(known[i]) || tells(word)):
			return difference{}
		case word != known[i]:
			d.places = append(d.places, i)
			d.exchanged[[2]string{word, known[i]}] = true
		case i%2 == 0 && word != "":
			d.same++
		}
	}
	d.like = len(d.places) > 0 && d.same >= alike*len(d.places)
	return d
}

// option says what is done; so does a word where there was none.
func option(word string) bool { return word == "" || word[0] == '-' }
