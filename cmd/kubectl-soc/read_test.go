package main

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

const hostile = "\x1b]0;owned\x07\x1b[2J\x1b[31mevil\u202e drow\x9b1m"

func TestReading(t *testing.T) {
	w := newWorld(t)
	w.attack(t, "a stolen token "+hostile)
	w.waiting(t, "isolate-1", v1alpha1.TierSenior)
	w.succeeded(t, "label-1")
	tests := map[string]struct {
		args []string
		want []string
	}{
		"pending": {[]string{"pending"}, []string{"NAME +ACTION +TIER +RISK +CASE +ASKED BY +AGE", "isolate-1 .*senior .*High .*P1 TruePositive shop-7f3a .*playbook:stolen-token"}},
		"cases":   {[]string{"cases"}, []string{"P1 .*TruePositive 99.9 % .*shop-7f3a .*a stolen token"}},
		"case": {[]string{"case", "shop-7f3a"}, []string{
			"^P1  TruePositive 99.9 %  shop-7f3a  a stolen token", `E1 .*\+30.0\n`, `99.9 % +\+30.5\n`,
			`isolate pod shop/web-0 +waiting for senior: kubectl soc approve -n tenant-\w+ isolate-1\n`, "takes back label-1\n",
		}},
		"explain": {[]string{"explain", "shop-7f3a"}, []string{`1 / \(1 \+ 10\^\(-30.5/10\)\) = 99.911 %`, `\+13.0 dB or more: TruePositive`, `total +\+30.5\n`}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			a := w.run(t, "vera", tc.args...)
			must(t, a.err)
			contains(t, "output", a.out, tc.want...)
			if i := strings.IndexFunc(a.out, func(r rune) bool { return r != '\n' && !unicode.IsGraphic(r) }); i >= 0 {
				t.Errorf("an attacker's character reaches the terminal: %q", a.out[i:])
			}
		})
	}
	all := w.run(t, "vera", "pending", "-A")
	must(t, all.err)
	contains(t, "pending -A", all.out, "NAMESPACE +NAME", w.namespace+" +isolate-1")
}

func TestACaseTellsOfItsOwnActions(t *testing.T) {
	w := newWorld(t)
	w.attack(t, "a stolen token")
	w.waiting(t, "isolate-1", v1alpha1.TierSenior)
	other := &v1alpha1.ResponseAction{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "other-1"},
		Spec: v1alpha1.ResponseActionSpec{
			Use: &v1alpha1.ActionUse{Connector: "cluster", Operation: "isolate-pod"}, Investigation: "shop-0000",
			Reason: "proposed", RequestedBy: "playbook:stolen-token",
		},
	}
	must(t, w.operator.Create(t.Context(), other))
	must(t, w.plan(t.Context(), other, v1alpha1.TierSenior))
	a := w.run(t, "vera", "case", "shop-7f3a")
	must(t, a.err)
	contains(t, "output", a.out, "approve -n tenant-\\w+ isolate-1\n")
	if strings.Contains(a.out, "other-1") {
		t.Errorf("an action of another case is told:\n%s", a.out)
	}
}

func TestObjects(t *testing.T) {
	w := newWorld(t)
	w.attack(t, "a stolen token")
	w.waiting(t, "isolate-1", v1alpha1.TierSenior)
	w.succeeded(t, "label-1")
	type object struct {
		metav1.TypeMeta `json:",inline"`
		Items           []metav1.PartialObjectMetadata
	}
	tests := map[string]struct {
		args  []string
		kind  string
		items string
	}{
		"pending": {[]string{"pending"}, "ResponseActionList", "ResponseAction/isolate-1"},
		"cases":   {[]string{"cases"}, "InvestigationList", "Investigation/shop-7f3a"},
		"case":    {[]string{"case", "shop-7f3a"}, "Investigation", ""},
	}
	for name, tc := range tests {
		for format, decode := range map[string]func([]byte, any) error{"json": json.Unmarshal, "yaml": func(b []byte, o any) error { return yaml.Unmarshal(b, o) }} {
			t.Run(name+" "+format, func(t *testing.T) {
				a := w.run(t, "vera", append(tc.args, "-o", format)...)
				must(t, a.err)
				var got object
				must(t, decode([]byte(a.out), &got))
				var items []string
				for _, i := range got.Items {
					items = append(items, i.Kind+"/"+i.Name)
				}
				if got.Kind != tc.kind || got.APIVersion != "soc.tocsin.dev/v1alpha1" || strings.Join(items, " ") != tc.items {
					t.Errorf("got %s of %s with %v", got.Kind, got.APIVersion, items)
				}
			})
		}
	}
	contains(t, "format", failure(t, w.run(t, "vera", "cases", "-o", "wide")), `--output: must be json or yaml, not "wide"`)
}

func TestClosedCasesAreHidden(t *testing.T) {
	w := newWorld(t)
	empty := w.run(t, "vera", "cases")
	must(t, empty.err)
	contains(t, "no case", empty.errOut, "There is no case in namespace "+w.namespace+"; -A looks in all namespaces\\.\n$")
	c := w.attack(t, "a stolen token")
	c.Status.Conditions = append(c.Status.Conditions, condition(v1alpha1.ConditionClosed, metav1.ConditionTrue, v1alpha1.ReasonClosedByAnalyst, ""))
	must(t, w.operator.Status().Update(t.Context(), c))
	open := w.run(t, "vera", "cases")
	must(t, open.err)
	contains(t, "closed", open.errOut, "There is no open case in namespace .*; --all shows the 1 closed; -A looks in all namespaces\\.\n$")
	all := w.run(t, "vera", "cases", "--all")
	must(t, all.err)
	contains(t, "--all", all.out, "shop-7f3a .*closed")
	none := w.run(t, "vera", "pending")
	must(t, none.err)
	contains(t, "nothing pending", none.errOut, "No action waits for a human in namespace "+w.namespace+"; -A looks in all namespaces\\.\n$")
}

func TestUnknownNames(t *testing.T) {
	w := newWorld(t)
	contains(t, "an empty namespace", failure(t, w.run(t, "vera", "case", "shop-7f3a")), "there is no case shop-7f3a in namespace .*: there is none at all; is it another namespace")
	w.attack(t, "t")
	contains(t, "close", failure(t, w.run(t, "vera", "case", "shop-7f3")), "did you mean shop-7f3a?")
	contains(t, "a part", failure(t, w.run(t, "vera", "explain", "7f3a")), "did you mean shop-7f3a?")
	contains(t, "far", failure(t, w.run(t, "vera", "explain", "quite-another")), "press Tab for the names")
	contains(t, "without rights", failure(t, w.run(t, "mallory", "cases")), `User "mallory" cannot list resource "investigations"`)
}

func TestCompletion(t *testing.T) {
	w := newWorld(t)
	w.attack(t, "a stolen token "+hostile)
	w.waiting(t, "isolate-1", v1alpha1.TierSenior)
	w.succeeded(t, "label-1")
	tests := map[string]struct {
		args []string
		want string
	}{
		"approve": {[]string{"approve", ""}, "isolate-1\tisolate pod shop/web-0\n"},
		"deny":    {[]string{"deny", "i"}, "isolate-1\tisolate pod shop/web-0\n"},
		"undo":    {[]string{"undo", ""}, "label-1\tisolate pod shop/web-0\n"},
		"case":    {[]string{"case", "sho"}, "shop-7f3a\ta stolen token"},
		"explain": {[]string{"explain", "other"}, ""},
		"one":     {[]string{"approve", "isolate-1", ""}, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			a := w.run(t, "vera", append([]string{"__complete"}, tc.args...)...)
			must(t, a.err)
			names, _, _ := strings.Cut(a.out, ":")
			if !strings.HasPrefix(names, tc.want) || tc.want == "" && names != "" || strings.Contains(names, "\x1b") {
				t.Errorf("got %q, want %q", names, tc.want)
			}
		})
	}
}
