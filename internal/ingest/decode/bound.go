package decode

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/shorten"
)

// The limits of the Alert kind, in characters.
const (
	maxRule       = 253
	maxTitle      = 512
	maxTechniques = 16
	maxEntities   = 32
	maxEntity     = 512
	maxAttributes = 48
	maxName       = 64
	maxValue      = 1024
)

// clockSkew is how far a sender's clock may be ahead.
const clockSkew = 5 * time.Minute

var technique = regexp.MustCompile(`^T[0-9]{4}(\.[0-9]{3})?$`)

// Bound makes an alert fit the schema of its kind, whatever text it was made
// from: it cuts, replaces what cannot be shown, and leaves out what cannot be kept.
func Bound(spec *v1alpha1.AlertSpec, received time.Time) {
	spec.Rule = line(spec.Rule, maxRule)
	if spec.Rule == "" {
		spec.Rule = "unnamed"
	}
	spec.Title = line(spec.Title, maxTitle)
	if spec.Title == "" {
		spec.Title = spec.Rule
	}
	if !slices.Contains(v1alpha1.Severities, spec.Severity) {
		spec.Severity = v1alpha1.SeverityMedium
	}
	spec.Techniques = techniques(spec.Techniques)
	spec.Entities = entities(spec.Entities)
	spec.Attributes = attributes(spec.Attributes)
	spec.FirstSeen = metav1.NewMicroTime(plausible(spec.FirstSeen.Time, received))
}

// Mark sets an attribute of an alert within its bounds, instead of the last one by name
// where there is no room.
func Mark(spec *v1alpha1.AlertSpec, name, value string) {
	marked := maps.Clone(spec.Attributes)
	if marked == nil {
		marked = map[string]string{}
	}
	delete(marked, name)
	if len(marked) == maxAttributes {
		delete(marked, slices.Max(slices.Collect(maps.Keys(marked))))
	}
	marked[name] = value
	spec.Attributes = marked
}

// plausible is the time, or that of arrival where the time is missing, before
// 1970 or ahead: one event of the year 9999 must not make all later ones its repeats.
func plausible(t, received time.Time) time.Time {
	if t.Unix() <= 0 || t.After(received.Add(clockSkew)) {
		t = received
	}
	return t.UTC().Truncate(time.Microsecond)
}

func techniques(in []v1alpha1.Technique) []v1alpha1.Technique {
	var out []v1alpha1.Technique
	for _, t := range in {
		if len(out) < maxTechniques && technique.MatchString(string(t)) && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

// entities keeps each once, actors and targets first, in their order.
func entities(in []v1alpha1.Entity) []v1alpha1.Entity {
	var out []v1alpha1.Entity
	seen := map[string]bool{}
	for _, role := range []v1alpha1.EntityRole{v1alpha1.RoleActor, v1alpha1.RoleTarget, v1alpha1.RoleRelated} {
		for _, e := range in {
			if e.Role != v1alpha1.RoleActor && e.Role != v1alpha1.RoleTarget {
				e.Role = v1alpha1.RoleRelated
			}
			e.Value = line(e.Value, maxEntity)
			if e.Role != role || e.Value == "" || seen[e.Key()] || len(out) == maxEntities || !slices.Contains(v1alpha1.EntityTypes, e.Type) {
				continue
			}
			seen[e.Key()] = true
			out = append(out, e)
		}
	}
	return out
}

// attributes keeps the first by name.
func attributes(in map[string]string) map[string]string {
	out := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		short := line(name, maxName)
		value := text(in[name], maxValue)
		if short != "" && value != "" && len(out) < maxAttributes {
			out[short] = value
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// line is text on one line: nothing that moves a terminal's cursor or turns its direction.
func line(s string, limit int) string {
	return shorten.Characters(strings.Join(strings.FieldsFunc(printable(s), unicode.IsSpace), " "), limit)
}

// text may have several lines.
func text(s string, limit int) string {
	return shorten.Characters(strings.TrimSpace(printable(s)), limit)
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return r
		case r == '\r':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029':
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(s, string(utf8.RuneError)))
}
