package detect

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/auditevent"
	"github.com/tocsin-dev/tocsin/internal/check"
	"github.com/tocsin-dev/tocsin/internal/expr"
)

// The verbs of audit events. Those of collections are never asked of a subresource;
// for what is no resource the verb is the HTTP method.
var (
	collectionVerbs = []string{"list", "watch", "deletecollection"}
	resourceVerbs   = append([]string{"get", "create", "update", "patch", "delete", "proxy"}, collectionVerbs...)
	methods         = []string{"get", "head", "post", "put", "patch", "delete", "options", "trace", "connect"}
)

// resourcePath is how audit events name a resource, with its subresource.
var resourcePath = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(/[a-z0-9]+)?$`)

// Remarks says what the rule compiles with but cannot be meant: what never matches,
// exceptions that cover everything or have ended, fields that no event has.
func (r *Rule) Remarks(now time.Time) []check.Remark {
	found := r.verbRemarks()
	found = append(found, r.resourceRemarks()...)
	indexed := len(r.spec.Verbs)+len(r.spec.Resources) > 0
	if r.when.Source() != "true" || !indexed { // with verbs or resources it is meant
		found = append(found, check.Condition("spec.when", r.when, r.domains())...)
	}
	found = append(found, unknownFields("spec.when", r.when)...)
	found = append(found, unknownFields("spec.title", r.title.Programs()...)...)
	for i, e := range r.entities {
		found = append(found, unknownFields(fmt.Sprintf("spec.entities[%d].value", i), e.value)...)
	}
	for i, e := range r.exceptions {
		found = append(found, r.exceptionRemarks(fmt.Sprintf("spec.exceptions[%d]", i), e, now)...)
	}
	return found
}

func (r *Rule) verbRemarks() []check.Remark {
	possible := resourceVerbs
	if len(r.spec.Resources) == 0 {
		possible = append(slices.Clone(methods), resourceVerbs...)
	}
	found := entries("spec.verbs", r.spec.Verbs, func(verb string) string {
		if slices.Contains(possible, verb) {
			return ""
		}
		return fmt.Sprintf("no audit event of such a request has the verb %q; there are %v", verb, possible)
	})
	onlyCollections := all(r.spec.Verbs, func(verb string) bool { return slices.Contains(collectionVerbs, verb) })
	onlySubresources := all(r.spec.Resources, func(path string) bool { return strings.Contains(path, "/") })
	if onlyCollections && onlySubresources {
		found = append(found, check.Errorf(check.RuleUnreachable, "spec.verbs", "the rule never matches: %v are never asked of subresources such as %s", r.spec.Verbs, r.spec.Resources[0]))
	}
	return found
}

func (r *Rule) resourceRemarks() []check.Remark {
	return entries("spec.resources", r.spec.Resources, func(path string) string {
		if resourcePath.MatchString(path) {
			return ""
		}
		return fmt.Sprintf("no audit event names a resource %q: expected the plural without its group, such as deployments or pods/exec; leave resources out for all", path)
	})
}

// entries warns of each of which an event never has. Where none is left the rule never matches.
func entries(path string, values []string, wrong func(string) string) []check.Remark {
	var found []check.Remark
	for i, value := range values {
		if why := wrong(value); why != "" {
			found = append(found, check.Warningf(check.RuleUnreachable, fmt.Sprintf("%s[%d]", path, i), "%s", why))
		}
	}
	if len(found) > 0 && len(found) == len(values) {
		for i := range found {
			found[i].Level = check.Error
		}
	}
	return found
}

// all is false for no values.
func all(values []string, is func(string) bool) bool {
	return len(values) > 0 && !slices.ContainsFunc(values, func(v string) bool { return !is(v) })
}

// domains are what the verbs and resources of the rule leave to be compared with.
func (r *Rule) domains() expr.Domains {
	d := expr.Domains{
		"event.stage": {"ResponseStarted", "ResponseComplete", "Panic"},
		"event.level": {"Metadata", "Request", "RequestResponse"},
	}
	if len(r.spec.Verbs) > 0 {
		d["event.verb"] = r.spec.Verbs
	}
	for _, path := range r.spec.Resources {
		resource, subresource, _ := strings.Cut(path, "/")
		d["event.objectRef.resource"] = append(d["event.objectRef.resource"], resource)
		d["event.objectRef.subresource"] = append(d["event.objectRef.subresource"], subresource)
	}
	return d
}

func (r *Rule) exceptionRemarks(path string, e exception, now time.Time) []check.Remark {
	found := unknownFields(path+".when", e.when)
	if !now.Before(e.expires) {
		return append(found, check.Warningf(check.RuleExpired, path+".expires", "ended on %s: the exception no longer applies", e.expires.UTC().Format(time.RFC3339)))
	}
	value, constant := e.when.Constant()
	switch {
	case constant && value == true:
		found = append(found, check.Errorf(check.RuleUnreachable, path+".when", "leaves out everything: the rule never matches"))
	case r.when.Implies(e.when):
		found = append(found, check.Errorf(check.RuleUnreachable, path+".when", "holds wherever spec.when does: the rule never matches"))
	default:
		found = append(found, check.Condition(path+".when", e.when, r.domains())...)
	}
	return found
}

// unknownFields are read but in no event, so that reading them fails.
func unknownFields(path string, programs ...*expr.Program) []check.Remark {
	var found []check.Remark
	for _, program := range programs {
		for _, read := range program.Reads("event") {
			first, _, _ := strings.Cut(read, ".")
			if first != "" && !slices.Contains(auditevent.Fields, first) {
				found = append(found, check.Errorf(check.RuleUnknownName, path, "no audit event has event.%s; there are %v", first, auditevent.Fields))
			}
		}
	}
	return found
}
