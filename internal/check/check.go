// Package check holds what checking an object yields without a cluster: remarks about
// its fields, and the results of its own tests. Every engine speaks of its kind in these terms.
package check

import (
	"fmt"
	"time"
)

// Level is how bad a remark is.
type Level string

const (
	// Error: the API server or the operator refuses the object, or a part of it can never do what it is for.
	Error Level = "error"
	// Warning: it is taken, but does less than it seems.
	Warning Level = "warning"
)

// Rule names the kind of a remark, for machines.
type Rule string

const (
	// RuleYAML: the text is no YAML.
	RuleYAML Rule = "yaml"
	// RuleSchema: the API server refuses the object.
	RuleSchema Rule = "schema"
	// RuleCompile: the operator refuses the object.
	RuleCompile Rule = "compile"
	// RuleReference: what is named is not among what was looked at.
	RuleReference Rule = "reference"
	// RuleDuplicate: two objects have one name.
	RuleDuplicate Rule = "duplicate"
	// RuleUnreachable: a condition never holds, or a rule never matches.
	RuleUnreachable Rule = "unreachable"
	// RuleAlways: a condition holds whatever happens.
	RuleAlways Rule = "always"
	// RuleUnknownName: a condition reads or compares with what does not exist.
	RuleUnknownName Rule = "unknown-name"
	// RuleWeight: a weight counts for less than it says.
	RuleWeight Rule = "weight"
	// RuleExpired: an exception has ended.
	RuleExpired Rule = "expired"
	// RuleNoEffect: a field changes nothing.
	RuleNoEffect Rule = "no-effect"
)

// Rules lists every rule with what it is about.
var Rules = []struct {
	Rule  Rule
	About string
}{
	{RuleYAML, "The text is no YAML."},
	{RuleSchema, "The API server refuses the object."},
	{RuleCompile, "The operator refuses the object."},
	{RuleReference, "What is named is not among what was looked at."},
	{RuleDuplicate, "Two objects have one name."},
	{RuleUnreachable, "A condition never holds, or a rule never matches."},
	{RuleAlways, "A condition holds whatever happens."},
	{RuleUnknownName, "A condition reads or compares with what does not exist."},
	{RuleWeight, "A weight counts for less than it says."},
	{RuleExpired, "An exception has ended."},
	{RuleNoEffect, "A field changes nothing."},
}

// Remark is about one field of an object.
type Remark struct {
	Level Level
	Rule  Rule
	// Path of the field, such as spec.questions[0].when.
	Path string
	// Row within the field's text, from 1; 0 where the field as a whole is meant.
	Row int
	// Message says what is wrong and what was expected.
	Message string
}

// Errorf makes a remark of level Error.
func Errorf(rule Rule, path, format string, args ...any) Remark {
	return Remark{Level: Error, Rule: rule, Path: path, Message: fmt.Sprintf(format, args...)}
}

// Warningf makes a remark of level Warning.
func Warningf(rule Rule, path, format string, args ...any) Remark {
	return Remark{Level: Warning, Rule: rule, Path: path, Message: fmt.Sprintf(format, args...)}
}

// Test is the result of one of an object's own tests.
type Test struct {
	// Name of the test.
	Name string
	// Path of the test, and its row within that field's text, as in Remark.
	Path string
	Row  int
	// Err says what was expected and what came out; nil if the test passes.
	Err error
	// Took is how long the test ran.
	Took time.Duration
}
