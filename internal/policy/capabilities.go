package policy

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// impure are the prefixes of builtins that reach the network, read a clock or
// the process, or trace. OPA's own mark for builtins that are not deterministic
// covers most of them; these are kept out whatever OPA marks. Calls of print are
// erased by the compiler.
var impure = []string{
	"http.", "net.", "opa.", "rand.", "uuid.", "trace", "time.now_ns",
	// These may fetch the schemas that a schema refers to.
	"json.match_schema", "json.verify_schema",
	// These compare with the time of day.
	"io.jwt.", "crypto.x509.",
}

// capabilities are what a policy may use: values in, values out.
func capabilities() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.Builtins = slices.DeleteFunc(c.Builtins, func(b *ast.Builtin) bool {
		return b.IsNondeterministic() || slices.ContainsFunc(impure, func(prefix string) bool {
			return strings.HasPrefix(b.Name, prefix)
		})
	})
	c.AllowNet = []string{}
	return c
}
