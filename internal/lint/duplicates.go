package lint

import (
	"path"

	"github.com/tocsin-dev/tocsin/internal/check"
)

// duplicates are objects of one kind and name: whichever is applied last stays. Objects
// without a namespace get one from what applies their folder, so that only those of one
// folder are known to meet.
func (l *linter) duplicates() {
	first := map[[4]string]*object{}
	for _, s := range l.subjects {
		if s.name == "" {
			continue
		}
		key := [4]string{s.kind, s.name, s.namespace}
		if s.namespace == "" {
			key[3] = path.Dir(s.file)
		}
		if other, taken := first[key]; taken {
			l.note(s.object, check.Errorf(check.RuleDuplicate, "metadata.name", "%s:%d is %s %s, too", other.file, other.line("metadata.name", 0), s.kind, s.name))
			continue
		}
		first[key] = s.object
	}
}
