package policy

import (
	"reflect"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/tocsin-dev/tocsin/internal/check"
)

// Remarks says what the policy compiles with but cannot be meant: fields that its
// input never has, and tests that are none.
func (c *Checked) Remarks() []check.Remark {
	var found []check.Remark
	ast.WalkRefs(c.compiler.Modules["spec.module"], func(ref ast.Ref) bool {
		if unknown, known := unknownInput(ref); unknown != "" {
			r := check.Errorf(check.RuleUnknownName, "spec.module", "no input has %s; there are %v", unknown, known)
			r.Row = row(ref[0].Location)
			if !slices.ContainsFunc(found, func(f check.Remark) bool { return f.Row == r.Row && f.Message == r.Message }) {
				found = append(found, r)
			}
		}
		return false
	})
	isTest := func(r *ast.Rule) bool { return strings.HasPrefix(ruleName(r), "test_") }
	if !slices.ContainsFunc(c.tests.Rules, isTest) {
		found = append(found, check.Errorf(check.RuleCompile, "spec.tests", "has no rule whose name starts with test_; a policy needs at least one"))
	}
	return found
}

// unknownInput follows a reference through the fields of Input as far as they are
// known, and returns where it leaves them.
func unknownInput(ref ast.Ref) (unknown string, known []string) {
	if !ref[0].Equal(ast.InputRootDocument) {
		return "", nil
	}
	at, path := reflect.TypeFor[Input](), "input"
	for _, term := range ref[1:] {
		switch at.Kind() {
		case reflect.Map, reflect.Slice:
			at, path = at.Elem(), path+"[_]"
			continue
		case reflect.Struct:
		default:
			return "", nil
		}
		name, ok := term.Value.(ast.String)
		if !ok {
			return "", nil
		}
		names := jsonNames(at)
		field, ok := names[string(name)]
		if path += "." + string(name); !ok {
			return path, sortedNames(names)
		}
		at = field
	}
	return "", nil
}

func jsonNames(t reflect.Type) map[string]reflect.Type {
	names := map[string]reflect.Type{}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names[name] = t.Field(i).Type
	}
	return names
}

func sortedNames(names map[string]reflect.Type) []string {
	var list []string
	for name := range names {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}
