package check

import (
	"strings"

	"github.com/tocsin-dev/tocsin/internal/expr"
)

// Condition says what a condition at a path can never do, or always does. The values
// that a path such as alert.severity can have are given by domains.
func Condition(path string, condition *expr.Program, domains expr.Domains) []Remark {
	if value, constant := condition.Constant(); constant {
		if holds, ok := value.(bool); ok && holds {
			return []Remark{Warningf(RuleAlways, path, "always holds, whatever it is asked about")}
		}
		return []Remark{Errorf(RuleUnreachable, path, "never holds, whatever it is asked about")}
	}
	if why := condition.Contradiction(domains); why != "" {
		return []Remark{Errorf(RuleUnreachable, path, "never holds: %s", why)}
	}
	if never := condition.Never(domains); len(never) > 0 {
		return []Remark{Warningf(RuleUnknownName, path, "a part of it never holds: %s", strings.Join(never, "; "))}
	}
	return nil
}
