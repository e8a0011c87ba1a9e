package activity

import (
	"fmt"
	"slices"
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
func (s *shapes) fits(shape string, command bool) bool {
	words := wordsOf(shape)
	program := -1
	if command {
		program = programAt(words)
	}
	if slices.ContainsFunc(words, tells) || command && executes(words[program:]) {
		return false
	}
	templates := map[string]*template{}
	for known := range s.has {
		other := wordsOf(known)
		d := differ(words, other)
		if !d.like || d.places[0] <= program {
			continue
		}
		key := fmt.Sprint(d.places)
		if templates[key] == nil {
			templates[key] = newTemplate(len(d.places))
		}
		templates[key].add(d, other)
	}
	for _, t := range templates {
		if t.varied() {
			return true
		}
	}
	return false
}

// programAt is the place of the name of a command's program, at the end of its path.
func programAt(words []string) int {
	for i := 1; i < len(words); i += 2 {
		if strings.ContainsAny(words[i], " \t") {
			return i - 1
		}
	}
	return max(len(words)-2, 0)
}

// executes says whether a command can run or reach anything: its program can, or another follows.
func executes(words []string) bool {
	return len(words) > 0 && anything(words[0]) || slices.ContainsFunc(words, func(w string) bool { return strings.ContainsAny(w, "|;&(`$\n<>") })
}

// template is what several shapes have in common.
type template struct {
	// seen are the known words of each place.
	seen []map[string]bool
	// same is how many words do not differ, and exchanged the most that were exchanged for others.
	same, exchanged int
}

func newTemplate(places int) *template {
	t := &template{seen: make([]map[string]bool, places)}
	for i := range t.seen {
		t.seen[i] = map[string]bool{}
	}
	return t
}

func (t *template) add(d difference, known []string) {
	for i, place := range d.places {
		t.seen[i][known[place]] = true
	}
	t.same, t.exchanged = d.same, max(t.exchanged, len(d.exchanged))
}

// varied says whether each place has enough known words.
func (t *template) varied() bool {
	wanted := variants
	if t.same >= muchAlike*t.exchanged {
		wanted = fewVariants
	}
	return !slices.ContainsFunc(t.seen, func(words map[string]bool) bool { return len(words) < wanted })
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
