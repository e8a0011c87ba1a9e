package activity

import (
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/auditevent"
)

const (
	// maxShape is how many bytes of the shape of a detail are kept.
	maxShape = 256
	// constant: a detail tells something only if it had hardly ever a new shape: in at most
	// this share of the hours in which the rule fired.
	constant = 0.1
	// maxUnfamiliar is how many details are told at most.
	maxUnfamiliar = 8
)

// unique are attributes that are different each time, or say what is known otherwise.
var unique = []string{
	"output", "uuid", "auditID", "requestURI", "falco.tags", "level", "userAgent", "verb", "resource", "apiGroup",
	"k8s.ns.name", "k8s.pod.name", "k8s.pod.id", "k8s.pod.uid", "k8s.pod.sandbox_id", "container.id", "container.name", "k8s.node.name", "evt.hostname",
}

// detail of an alert, reduced to its shape.
type detail struct{ name, value, shape string }

func (d detail) key() string { return bounded(d.name + "\x00" + d.shape) }

// details of an alert, sorted by name.
func details(spec v1alpha1.AlertSpec) []detail {
	found := []detail{{"title", spec.Title, shape(nameless(spec))}}
	for _, name := range slices.Sorted(maps.Keys(spec.Attributes)) {
		value := spec.Attributes[name]
		switch {
		case slices.Contains(unique, name):
		case name == "name": // of one of the pods of a workload, as good as of another
			found = append(found, detail{name, value, shape(guess(value))})
		default:
			found = append(found, detail{name, value, shape(value)})
		}
	}
	for _, e := range spec.Entities {
		if e.Type == v1alpha1.EntityContainerImage || e.Type == v1alpha1.EntityFile {
			value := e.Value
			if e.Type == v1alpha1.EntityContainerImage {
				value, _ = imageOf(e.Value)
			}
			found = append(found, detail{strings.ToLower(string(e.Type)), value, shape(value)})
		}
	}
	return found
}

// nameless is the title without the names that attributes have as well.
func nameless(spec v1alpha1.AlertSpec) string {
	title := spec.Title
	for _, attribute := range []string{"name", "namespace", "k8s.pod.name", "k8s.ns.name"} {
		if name := spec.Attributes[attribute]; name != "" {
			title = strings.ReplaceAll(title, name, left)
		}
	}
	return title
}

func ownerOf(who, what string) string { return bounded(who + "\x00" + what) }

const (
	digits = "0123456789"
	// left and leftDigits stand for what is left out, and occur in no printable text: what an
	// attacker writes there has another shape.
	left, leftDigits = "\x01", "\x02"
)

var addressed = regexp.MustCompile(`[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?::[0-9]+)?`)

// shape of a text: what numbers, generated names, private addresses and ephemeral ports
// make different each time is left out of it.
func shape(text string) string {
	if !strings.ContainsAny(text, digits) {
		return auditevent.Bounded(text, maxShape)
	}
	var parts []string
	at := 0
	for _, span := range addresses(text) {
		parts = append(parts, unnumbered(text[at:span[0]]), addressShape(text[span[0]:span[1]]))
		at = span[1]
	}
	return auditevent.Bounded(strings.Join(append(parts, unnumbered(text[at:])), ""), maxShape)
}

// addresses that a text holds, as spans. It is looked for where there can be any.
func addresses(text string) [][]int {
	if strings.Count(text, ".") < 3 {
		return nil
	}
	return addressed.FindAllStringIndex(text, -1)
}

func unnumbered(text string) string {
	var shape strings.Builder
	shape.Grow(len(text))
	for text != "" {
		n := strings.IndexFunc(text, notOfWord)
		if n < 0 {
			n = len(text)
		}
		if n > 0 {
			shape.WriteString(wordShape(text[:n]))
		} else {
			_, n = utf8.DecodeRuneInString(text)
			shape.WriteString(text[:n])
		}
		text = text[n:]
	}
	return shape.String()
}

func notOfWord(r rune) bool {
	return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}

// wordShape is a word with a number of one or two digits in it, or any word with more.
func wordShape(word string) string {
	first, last := strings.IndexAny(word, digits), strings.LastIndexAny(word, digits)
	switch {
	case first < 0:
		return word
	case last-first > 1:
		return left
	}
	return word[:first] + leftDigits + word[last+1:]
}

// ephemeral is the first port that clients are given (RFC 6335 has 49152; Linux begins earlier).
const ephemeral = 32768

func addressShape(text string) string {
	host, port, _ := strings.Cut(text, ":")
	address, err := netip.ParseAddr(host)
	if err != nil { // leading zeros: some read them, each in its own way
		return text
	}
	if !beyond(address) {
		host = "private"
	}
	if n, err := strconv.Atoi(port); err != nil || n >= ephemeral {
		return host
	}
	return host + ":" + port
}

// Unfamiliar is a detail of an alert that is not as ever.
type Unfamiliar struct{ Name, Value string }

// Differences are the details of an alert that are not as ever.
type Differences struct {
	// New has hardly anything of what was known, Near differs from it in a word.
	New, Near []Unfamiliar
	// Varied are names of details that have a new shape too often to tell anything, or one of a
	// kind that they had before.
	Varied []string

	// resembled is how many were compared with all that is known of them, which takes long.
	resembled int
}

// rare are attributes that say something by being there at all.
var rare = []string{"impersonatedUser", "dryRun", "forwardedFor", "proc.is_exe_upper_layer", "looks"}

// Unfamiliar tells which details of an alert are not as they were until a day ago, when
// the rule fired about the same: of those that hardly ever had a new shape. By Good and
// Turing's estimate (Good, Biometrika 40, 1953) the chance of a shape that was never seen
// is the share of those that were seen once.
// Of the alert only title, attributes and entities are read.
func (m *Memory) Unfamiliar(namespace string, f Firing, alert v1alpha1.AlertSpec, before time.Time) Differences {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found Differences
	t, ok := m.tenants[namespace]
	if !ok {
		return found
	}
	who, what := f.known(t, before)
	fired := t.firings.about(who, what, before).Hours
	if fired == 0 {
		who, what = f.ofImage(t, before)
		fired = t.firings.about(who, what, before).Hours
	}
	owner := t.details.owners[ownerOf(who, what)]
	if fired == 0 {
		return found
	}
	usual := shapesOf(owner, before)
	for _, d := range details(alert) {
		known := usual[d.name]
		if known == nil && !slices.Contains(rare, d.name) || known != nil && known.has[d.shape] || d.value == "" {
			continue
		}
		found.add(d, known, fired)
	}
	found.New = apart(found.New)
	return found
}

// apart leaves out the address of a connection that is told as a whole. Nothing else is left out for
// another's sake: what a program or a file is called tells by its name.
func apart(details []Unfamiliar) []Unfamiliar {
	return slices.DeleteFunc(slices.Clone(details), func(d Unfamiliar) bool {
		_, err := netip.ParseAddr(d.Value)
		return err == nil && slices.ContainsFunc(details, func(other Unfamiliar) bool {
			return other.Value != d.Value && slices.ContainsFunc(addresses(other.Value), func(span []int) bool {
				host, _, _ := strings.Cut(other.Value[span[0]:span[1]], ":")
				return host == d.Value
			})
		})
	})
}

// add a detail that has a shape which is not known. What is told is bounded, but for what tells what ran.
func (f *Differences) add(d detail, known *shapes, fired int) {
	if known != nil && float64(len(known.once)) > constant*float64(fired) {
		f.Varied = append(f.Varied, d.name)
		return
	}
	alike := strange
	if known != nil && (f.resembled < maxUnfamiliar || isCommand(d.name)) {
		f.resembled++
		alike = known.resemblance(d)
	}
	told := Unfamiliar{Name: d.name, Value: auditevent.Bounded(d.value, maxShape)}
	switch alike {
	case ofKind:
		f.Varied = append(f.Varied, d.name)
	case near:
		f.Near = appendTold(f.Near, told)
	default:
		f.New = appendTold(f.New, told)
	}
}

func appendTold(list []Unfamiliar, told Unfamiliar) []Unfamiliar {
	if len(list) >= maxUnfamiliar && !isCommand(told.Name) && !slices.Contains(telling, told.Name) {
		return list
	}
	return append(list, told)
}

// shapes of one detail: those that it has, and the hours in which one was seen that was
// seen in no other. Many in one hour are one flood.
type shapes struct {
	has  map[string]bool
	once map[int32]bool
}

// shapesOf the details of a habit as they were known until a day before a moment, by name.
func shapesOf(owner *owner, before time.Time) map[string]*shapes {
	found := map[string]*shapes{}
	if owner == nil {
		return found
	}
	for h := range owner.habits() {
		if !h.seenBefore(before.Add(-settling)) {
			continue
		}
		name, shape, _ := strings.Cut(h.what, "\x00")
		if found[name] == nil {
			found[name] = &shapes{has: map[string]bool{}, once: map[int32]bool{}}
		}
		found[name].has[shape] = true
		if _, hours := h.before(before); hours == 1 {
			found[name].once[hourOf(moment(h.first))] = true
		}
	}
	return found
}
